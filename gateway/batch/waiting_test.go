package batch

import "runtime"

// AwaitWaiting returns once n writers wait for their turn.
func (w *Writer) AwaitWaiting(n int) {
	for {
		w.mu.Lock()
		there := len(w.waiting)
		w.mu.Unlock()
		if there >= n {
			return
		}
		runtime.Gosched()
	}
}
