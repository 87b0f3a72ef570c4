package nginx

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestListeners_missesNoneWhileOthersGo holds what "no old worker accepts" hangs
// on: the door's socket is seen, whatever other sockets do meanwhile.
func TestListeners_missesNoneWhileOthersGo(t *testing.T) {
	t.Parallel()
	const others, looks = 300, 300
	// t.TempDir() may be too long for a socket in it.
	dir, err := os.MkdirTemp("", "zddl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "door")
	door, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	// Bound sockets, some hundred at a time, so that the kernel's answer has
	// several pieces.
	stop := make(chan struct{})
	var come sync.WaitGroup
	for worker := range 3 {
		come.Go(func() {
			for {
				var open []net.Listener
				for i := range others / 3 {
					l, err := net.Listen("unix", filepath.Join(dir, fmt.Sprint(worker, "-", i)))
					if err != nil {
						t.Error(err)
						break
					}
					open = append(open, l)
				}
				for _, l := range open {
					_ = l.Close()
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	missed := 0
	for range looks {
		found, err := listeners(path)
		if err != nil {
			t.Error(err)
			break
		}
		if len(found) != 1 {
			missed++
		}
	}
	close(stop)
	come.Wait()
	if missed > 0 {
		t.Errorf("the listening socket was missed in %d of %d looks", missed, looks)
	}
	if found, err := listeners(filepath.Join(dir, "0-0")); err != nil || len(found) > 0 {
		t.Errorf("a closed socket still listens: %v, %v", found, err)
	}
}
