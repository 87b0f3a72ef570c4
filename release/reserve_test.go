package release

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestReserve_isGivenBackOnAFullDiskAlone(t *testing.T) {
	store := newStore(t)
	if err := os.MkdirAll(store.Root(), 0o711); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(store.Root(), reserveFile)
	for range 2 {
		if err := store.Reserve(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != ReserveSize {
			t.Fatalf("%v, %v, want %d bytes kept back", info, err, ReserveSize)
		}
	}
	if spent, err := store.Spend(); spent || err != nil {
		t.Errorf("spent %v, %v, with room on the disk", spent, err)
	}
}

func TestReserve_makesRoomOnAFullDisk(t *testing.T) {
	app := fullStore(t)
	state := State{Next: 7}
	if err := app.store.Reserve(); err == nil {
		t.Error("a full disk has room for the reserve")
	}
	if _, err := os.Stat(filepath.Join(app.store.Root(), reserveFile)); err == nil {
		t.Error("half a reserve is left")
	}
	if spent, err := app.store.Spend(); spent || err != nil {
		t.Errorf("spent %v, %v, without a reserve", spent, err)
	}
	if err := app.SaveState(state); err == nil {
		t.Fatal("a full disk has taken a state")
	}
	// As it is on a disk that filled up after the reserve was made.
	if err := os.Rename(filepath.Join(app.store.Root(), "ballast"), filepath.Join(app.store.Root(), reserveFile)); err != nil {
		t.Fatal(err)
	}
	if spent, err := app.store.Spend(); !spent || err != nil {
		t.Errorf("spent %v, %v, want it spent", spent, err)
	}
	if err := app.SaveState(state); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestReserve_makesRoomWhereThereAreTooManyFiles: a file is replaced by another
// one, which there is no room for, though there are bytes enough.
func TestReserve_makesRoomWhereThereAreTooManyFiles(t *testing.T) {
	app := fillApp(t, storeOn(t, "size=16m,nr_inodes=48"), "web")
	if err := app.store.Reserve(); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		if err := os.WriteFile(filepath.Join(app.store.Root(), fmt.Sprint(n)), nil, 0o600); err != nil {
			break
		}
	}
	if free, err := app.store.Room(); err != nil || free.Bytes < ReserveSize || free.Files != 0 {
		t.Fatalf("%+v, %v, want bytes and no file", free, err)
	}
	if err := app.SaveState(State{Next: 7}); err == nil {
		t.Fatal("a full disk has taken a state")
	}
	if spent, err := app.store.Spend(); !spent || err != nil {
		t.Errorf("spent %v, %v, want it spent", spent, err)
	}
	if err := app.SaveState(State{Next: 7}); err != nil {
		t.Errorf("after that: %v", err)
	}
}
