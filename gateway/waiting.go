package gateway

import "context"

// WaitingReport says what became of the articles that waited for a key.
type WaitingReport struct {
	Waited   int // how many were tried
	Reopened int // how many appeared anew
	Failed   int // how many could not even be tried; the log says why
}

// ReopenWaiting tries again to open every article of the actor's groups that waits for a key, oldest first. One that fails
// stays waiting; so does the rest when ctx ends, which is the only error once the list is read.
func (g *Gateway) ReopenWaiting(ctx context.Context, a Actor) (WaitingReport, error) {
	var report WaitingReport
	ids, err := g.waiting(ctx, a)
	if err != nil {
		return report, err
	}
	for _, id := range ids {
		article, err := g.Archive.Get(ctx, id)
		appeared := false
		if err == nil {
			appeared, err = g.reopen(ctx, article)
		}
		report.Waited++
		switch {
		case ctx.Err() != nil:
			return report, ctx.Err()
		case err != nil:
			report.Failed++
			g.Log.ErrorContext(ctx, "reopen article", "article", id, "actor", a.Name, "error", err)
		case appeared:
			report.Reopened++
		}
	}
	return report, nil
}

// CountWaiting returns how many articles of the actor's groups wait for a key.
func (g *Gateway) CountWaiting(ctx context.Context, a Actor) (int, error) {
	ids, err := g.waiting(ctx, a)
	return len(ids), err
}

func (g *Gateway) waiting(ctx context.Context, a Actor) ([]string, error) {
	if err := a.mayRead(); err != nil {
		return nil, err
	}
	scope := a.scope()
	if scope != nil && len(scope) == 0 {
		return nil, nil
	}
	return g.Archive.Waiting(ctx, scope)
}
