package release

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var testSubnet = netip.MustParsePrefix("10.210.0.0/27")

func never(int) bool  { return false }
func always(int) bool { return true }

func newBook(t *testing.T) *Store {
	t.Helper()
	store := newStore(t)
	if err := store.SetSubnet(testSubnet, netip.Prefix{}); err != nil {
		t.Fatal(err)
	}
	return store
}

func allocate(t *testing.T, store *Store, app string, perSlot int, reusable func(int) bool) map[Slot][]string {
	t.Helper()
	slots, err := store.Allocate(app, perSlot, reusable)
	if err != nil {
		t.Fatal(err)
	}
	list := map[Slot][]string{}
	for slot, addrs := range slots {
		for _, addr := range addrs {
			list[slot] = append(list[slot], addr.String())
		}
	}
	return list
}

func TestAllocate_growsInTurnsAndKeepsWhatIsThere(t *testing.T) {
	store := newBook(t)
	steps := []struct {
		app     string
		perSlot int
		want    map[Slot][]string
	}{
		{"web", 1, map[Slot][]string{Blue: {"10.210.0.10"}, Green: {"10.210.0.11"}}},
		{"api", 2, map[Slot][]string{Blue: {"10.210.0.12", "10.210.0.14"}, Green: {"10.210.0.13", "10.210.0.15"}}},
		{"web", 2, map[Slot][]string{Blue: {"10.210.0.10", "10.210.0.16"}, Green: {"10.210.0.11", "10.210.0.17"}}},
		{"web", 1, map[Slot][]string{Blue: {"10.210.0.10", "10.210.0.16"}, Green: {"10.210.0.11", "10.210.0.17"}}},
	}
	for _, step := range steps {
		if diff := cmp.Diff(step.want, allocate(t, store, step.app, step.perSlot, never)); diff != "" {
			t.Errorf("%d for %s (-want +got):\n%s", step.perSlot, step.app, diff)
		}
	}
}

func TestAllocate_takesFreedAddressesLastAndOnlyReusableOnes(t *testing.T) {
	store := newBook(t) // has 21 addresses: .10 to .30
	allocate(t, store, "old", 1, never)
	allocate(t, store, "new", 1, never)
	if err := errors.Join(store.Free("old", 7), store.Free("new", 9), store.Free("nobody", 9)); err != nil {
		t.Fatal(err)
	}
	allocate(t, store, "big", 8, never)
	_, err := store.Allocate("web", 1, func(generation int) bool { return generation < 7 })
	var full *PoolFull
	if !errors.As(err, &full) {
		t.Fatalf("error %v, want a *PoolFull", err)
	}
	if diff := cmp.Diff(&PoolFull{Subnet: testSubnet, App: "web", Needed: 2, Free: 1}, full, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	want := map[Slot][]string{Blue: {"10.210.0.30"}, Green: {"10.210.0.10"}}
	if diff := cmp.Diff(want, allocate(t, store, "web", 1, func(generation int) bool { return generation <= 7 })); diff != "" {
		t.Errorf("reused (-want +got):\n%s", diff)
	}
	want = map[Slot][]string{Blue: {"10.210.0.11"}, Green: {"10.210.0.12"}}
	if diff := cmp.Diff(want, allocate(t, store, "api", 1, always)); diff != "" {
		t.Errorf("reused (-want +got):\n%s", diff)
	}
}

func TestAllocate_leavesTheReservedPartAlone(t *testing.T) {
	store := newBook(t)
	reserved := netip.MustParsePrefix("10.210.0.12/30")
	if err := store.SetSubnet(netip.MustParsePrefix("10.210.0.0/26"), reserved); err != nil {
		t.Fatal(err)
	}
	for slot, addresses := range allocate(t, store, "web", 8, never) {
		for _, text := range addresses {
			if reserved.Contains(netip.MustParseAddr(text)) {
				t.Errorf("%s has %s, which is reserved", slot, text)
			}
		}
	}
}

func TestAllocate_neverGivesOneAddressTwice(t *testing.T) {
	store := newBook(t)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			// A store value of its own, as in another process.
			store, err := Open(store.Root())
			if err != nil {
				t.Error(err)
				return
			}
			lock, err := store.Lock(t.Context(), Self("test"), nil)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = store.Allocate(fmt.Sprintf("app-%d", i), 1, never)
			if err := errors.Join(err, lock.Unlock()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for i := range 10 {
		for _, addrs := range allocate(t, store, fmt.Sprintf("app-%d", i), 1, never) {
			seen[addrs[0]] = true
		}
	}
	if len(seen) != 20 {
		t.Errorf("10 apps with 2 slots have %d addresses", len(seen))
	}
}

func TestSetSubnet_doesNotMoveAddressesInUse(t *testing.T) {
	store := newStore(t)
	if _, ok, err := store.Subnet(); ok || err != nil {
		t.Errorf("a subnet before it is set: %v", err)
	}
	for _, bad := range []string{"10.0.0.1/24", "10.0.0.0/28", "0.0.0.0/0", "fd00::/64"} {
		if err := store.SetSubnet(netip.MustParsePrefix(bad), netip.Prefix{}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if err := store.SetSubnet(netip.Prefix{}, netip.Prefix{}); err == nil {
		t.Error("no prefix was taken")
	}
	other := netip.MustParsePrefix("10.211.0.0/16")
	if err := errors.Join(store.SetSubnet(other, netip.Prefix{}), store.SetSubnet(testSubnet, netip.Prefix{})); err != nil {
		t.Fatal(err)
	}
	if used, err := store.InUse(); used || err != nil {
		t.Errorf("in use before any app: %v, %v", used, err)
	}
	allocate(t, store, "web", 1, never)
	if used, err := store.InUse(); !used || err != nil {
		t.Errorf("in use with an app: %v, %v", used, err)
	}
	if err := store.SetSubnet(testSubnet, netip.Prefix{}); err != nil {
		t.Errorf("setting the same again: %v", err)
	}
	if err := store.SetSubnet(other, netip.Prefix{}); err == nil {
		t.Error("the subnet changed under an app")
	}
	if got, ok, err := store.Subnet(); got != testSubnet || !ok || err != nil {
		t.Errorf("subnet %v, %v, %v", got, ok, err)
	}
}
