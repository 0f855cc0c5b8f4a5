package pgpmime_test

import (
	"bufio"
	"errors"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway/pgpmime"
	"github.com/sealgate/sealgate/keyring/seal"
)

// spooledArena protects and opens messages that lie in a sealed spool.
type spooledArena struct {
	arena
	spool *seal.Spool
}

func newSpooledArena(t testing.TB) spooledArena {
	t.Helper()
	spool, err := seal.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return spooledArena{newArena(t), spool}
}

func (a spooledArena) place() (pgpmime.SpoolFile, error) { return a.spool.Create() }

// largeMessage is 25 MB in the spool.
func (a spooledArena) largeMessage(t testing.TB) pgpmime.Message {
	t.Helper()
	f, err := a.spool.Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Remove() })
	w := bufio.NewWriter(f)
	if err := errors.Join(writeLarge(w), w.Flush()); err != nil {
		t.Fatal(err)
	}
	return pgpmime.At(f, f.Size())
}

func (a spooledArena) protect(message pgpmime.Message) (pgpmime.Outgoing, error) {
	request := a.request()
	request.Spool = a.place
	return pgpmime.ProtectMessage(message, request)
}

func (a spooledArena) open(message pgpmime.Message) error {
	o, err := pgpmime.OpenMessage(message, a.keys(), pgpmime.Options{Now: a.at, Spool: a.place})
	if err != nil {
		return err
	}
	if o.Verdict.Signature != pgpmime.Good {
		err = errors.New(o.Verdict.String())
	}
	return errors.Join(err, o.Close())
}

// operation is one that is measured without a peer.
type operation struct {
	name  string
	bytes int64
	run   func() error
}

// operations protect and open the large message, which lies in the spool.
func (a spooledArena) operations(t testing.TB) []operation {
	t.Helper()
	message := a.largeMessage(t)
	o, err := a.protect(message)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	protected := o.Message()
	return []operation{
		{"protect", message.Size(), func() error {
			o, err := a.protect(message)
			return closed(o, err)
		}},
		{"open", protected.Size(), func() error { return a.open(protected) }},
	}
}

func closed(o pgpmime.Outgoing, err error) error {
	if err != nil {
		return err
	}
	return o.Close()
}

// BenchmarkSpooledMail protects and opens 25 MB, and reports how far the heap grows meanwhile.
func BenchmarkSpooledMail(b *testing.B) {
	for _, o := range newSpooledArena(b).operations(b) {
		b.Run(o.name, func(b *testing.B) {
			b.SetBytes(o.bytes)
			var peak uint64
			for b.Loop() {
				grown, err := heapGrowth(o.run)
				if err != nil {
					b.Fatal(err)
				}
				peak = max(peak, grown)
			}
			b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
		})
	}
}

// heapGrowth is by how many bytes the heap was larger at its peak than before, with the garbage that waited for
// collection. It is sampled a few thousand times a second.
func heapGrowth(run func() error) (uint64, error) {
	runtime.GC()
	runtime.GC() // pools let go of their content at the second one
	before, peak := heapSize(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		often := time.NewTicker(200 * time.Microsecond)
		defer often.Stop()
		for {
			peak = max(peak, heapSize())
			select {
			case <-often.C:
			case <-stop:
				return
			}
		}
	}()
	err := run()
	close(stop)
	<-stopped
	return max(peak, before) - before, err
}

func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// BenchmarkNested judges 5,000 nested multiparts.
func BenchmarkNested(b *testing.B) {
	message := []byte(nested(5000))
	for b.Loop() {
		if err := judgeNested(message); err != nil {
			b.Fatal(err)
		}
	}
}

func judgeNested(message []byte) error {
	o, err := pgpmime.Open(message, heldKeys{}, pgpmime.Options{Now: now})
	if err == nil && o.Verdict.Encryption != pgpmime.EncryptionRefused {
		err = errors.New(o.Verdict.String())
	}
	return err
}
