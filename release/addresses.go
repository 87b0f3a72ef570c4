package release

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
)

// firstHost is the first address of the subnet that an app gets. Those before
// it are the gateway's and one-off containers'.
const firstHost = 10

// book is the address book as it is on disk.
type book struct {
	Subnet   netip.Prefix                     `json:"subnet"`
	Reserved netip.Prefix                     `json:"reserved,omitzero"` // the engine's, for one-off containers
	Apps     map[string]map[Slot][]netip.Addr `json:"apps"`
	Freed    []freed                          `json:"freed,omitempty"`
}

// freed is an address that an app had. Workers of nginx generations older than
// Generation may still send requests to it.
type freed struct {
	Addr       netip.Addr `json:"addr"`
	Generation int        `json:"generation"`
}

// PoolFull says that the subnet has no address left for an app.
type PoolFull struct {
	Subnet netip.Prefix
	App    string
	Needed int // addresses that the app lacks
	Free   int // addresses that it could have had
}

func (e *PoolFull) Error() string {
	return fmt.Sprintf("app %q needs %d more addresses, %s has %d free", e.App, e.Needed, e.Subnet, e.Free)
}

// Hint says what to do about it.
func (e *PoolFull) Hint() string { return "remove an app, or use fewer replicas" }

// Subnet returns the subnet of zdd's network; ok tells whether it is set.
func (s *Store) Subnet() (subnet netip.Prefix, ok bool, err error) {
	book, err := s.readBook()
	return book.Subnet, book.Subnet.IsValid(), err
}

// SetSubnet records the subnet of zdd's network, an IPv4 prefix of 8 to 27
// bits, and the part of it, if any, that no app may have addresses in. It
// cannot change while an app has addresses in it. The caller holds the store's
// lock.
func (s *Store) SetSubnet(subnet, reserved netip.Prefix) error {
	if !subnet.Addr().Is4() || subnet != subnet.Masked() || subnet.Bits() < 8 || subnet.Bits() > 27 {
		return fmt.Errorf("subnet %q: not an IPv4 prefix of 8 to 27 bits", subnet)
	}
	book, err := s.readBook()
	if err != nil || book.Subnet == subnet {
		return err
	}
	if len(book.Apps) > 0 {
		return fmt.Errorf("changing the subnet to %s: apps have addresses in %s", subnet, book.Subnet)
	}
	book.Subnet, book.Reserved, book.Freed = subnet, reserved, nil
	return s.writeBook(book)
}

// InUse reports whether an app has addresses.
func (s *Store) InUse() (bool, error) {
	book, err := s.readBook()
	return len(book.Apps) > 0, err
}

// Allocate returns the addresses of an app, at least perSlot for each slot.
// Those that it has it keeps, in their order; missing ones are added in turns
// to blue and green: addresses that nobody had before first, then freed ones
// whose generation is reusable. A *PoolFull error says that there are too few,
// and then nothing is changed. The caller holds the store's lock and has set
// the subnet.
func (s *Store) Allocate(app string, perSlot int, reusable func(generation int) bool) (map[Slot][]netip.Addr, error) {
	if err := checkName(app); err != nil {
		return nil, err
	}
	book, err := s.readBook()
	if err != nil {
		return nil, err
	}
	if !book.Subnet.IsValid() {
		return nil, fmt.Errorf("allocating addresses for app %q: no subnet is set", app)
	}
	slots := book.Apps[app]
	if slots == nil {
		slots = map[Slot][]netip.Addr{}
	}
	needed := max(0, perSlot-len(slots[Blue])) + max(0, perSlot-len(slots[Green]))
	if needed == 0 {
		return slots, nil
	}
	fresh := book.take(needed, reusable)
	if len(fresh) < needed {
		return nil, &PoolFull{Subnet: book.Subnet, App: app, Needed: needed, Free: len(fresh)}
	}
	for len(fresh) > 0 {
		for _, slot := range []Slot{Blue, Green} {
			if len(slots[slot]) < perSlot {
				slots[slot] = append(slots[slot], fresh[0])
				fresh = fresh[1:]
			}
		}
	}
	book.Apps[app] = slots
	return slots, s.writeBook(book)
}

// Free gives an app's addresses back. They are not used again while an nginx
// worker older than generation lives. That the app has none is no error. The
// caller holds the store's lock.
func (s *Store) Free(app string, generation int) error {
	book, err := s.readBook()
	if err != nil {
		return err
	}
	slots, ok := book.Apps[app]
	if !ok {
		return nil
	}
	for _, slot := range []Slot{Blue, Green} {
		for _, addr := range slots[slot] {
			book.Freed = append(book.Freed, freed{Addr: addr, Generation: generation})
		}
	}
	delete(book.Apps, app)
	return s.writeBook(book)
}

// take removes up to n addresses from those that are free.
func (b *book) take(n int, reusable func(generation int) bool) []netip.Addr {
	known := map[netip.Addr]bool{}
	for _, slots := range b.Apps {
		for _, addrs := range slots {
			for _, addr := range addrs {
				known[addr] = true
			}
		}
	}
	for _, f := range b.Freed {
		known[f.Addr] = true
	}
	var taken []netip.Addr
	addr := b.Subnet.Addr()
	for range firstHost {
		addr = addr.Next()
	}
	// The last address of a subnet is its broadcast address.
	for ; len(taken) < n && b.Subnet.Contains(addr.Next()); addr = addr.Next() {
		if !known[addr] && !b.Reserved.Contains(addr) {
			taken = append(taken, addr)
		}
	}
	b.Freed = slices.DeleteFunc(b.Freed, func(f freed) bool {
		if len(taken) == n || !reusable(f.Generation) {
			return false
		}
		taken = append(taken, f.Addr)
		return true
	})
	return taken
}

func (s *Store) bookFile() string { return filepath.Join(s.root, "addresses.json") }

func (s *Store) readBook() (book, error) {
	b := book{}
	if _, err := decode(s.bookFile(), &b); err != nil {
		return book{}, err
	}
	if b.Apps == nil {
		b.Apps = map[string]map[Slot][]netip.Addr{}
	}
	return b, nil
}

func (s *Store) writeBook(b book) error {
	data, err := encode(b)
	if err == nil {
		err = s.makeRoot()
	}
	if err == nil {
		err = writeFile(s.bookFile(), data)
	}
	if err != nil {
		return fmt.Errorf("saving the address book: %w", err)
	}
	return nil
}
