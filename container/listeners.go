package container

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// listening is the state TCP_LISTEN in /proc/net/tcp.
const listening = "0A"

// embeddedDNS is where Docker answers a container's questions for names. The
// container sees it and the app knows nothing of it.
var embeddedDNS = netip.MustParseAddr("127.0.0.11")

// Listeners are the addresses at which the processes in an instance's network
// accept TCP connections, sorted. 0.0.0.0 and [::] are every address of the
// instance; [::] is mostly every one of IPv4 too.
//
// They are nil, without an error, where they cannot be known: the engine runs
// on another machine or in a virtual one. The error is *Exited when the
// instance does not run.
func (e *Engine) Listeners(ctx context.Context, instance Instance) ([]netip.AddrPort, error) {
	found, err := e.inspectRunning(ctx, instance)
	if err != nil {
		return nil, err
	}
	if !e.local() {
		return nil, nil
	}
	listeners, err := readListeners(filepath.Join(e.proc, strconv.Itoa(found.State.Pid), "net"))
	// Only now is it certain whose they were: the number may have become
	// another's, or never have been one of this machine.
	if err != nil || !e.isOf(instance.ID, found.State.Pid) {
		return nil, nil
	}
	return listeners, nil
}

// readListeners reads the tables of sockets in a /proc/PID/net.
func readListeners(folder string) ([]netip.AddrPort, error) {
	found, err := readSockets(filepath.Join(folder, "tcp"), nil)
	if err != nil {
		return nil, err
	}
	found, err = readSockets(filepath.Join(folder, "tcp6"), found)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // there is none without IPv6
		return nil, err
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	return slices.Compact(found), nil // several processes may share one
}

// readSockets appends the listeners of one table.
func readSockets(path string, found []netip.AddrPort) ([]netip.AddrPort, error) {
	table, err := os.Open(path)
	if err != nil {
		return found, err
	}
	defer table.Close()
	rows := bufio.NewScanner(table)
	rows.Scan() // the heading
	for rows.Scan() {
		// The row's number, local and remote address, state, …
		fields := strings.Fields(rows.Text())
		if len(fields) < 4 || fields[3] != listening {
			continue
		}
		local, err := parseSocket(fields[1])
		if err != nil {
			return found, fmt.Errorf("%s: %w", path, err)
		}
		if local.Addr() != embeddedDNS {
			found = append(found, local)
		}
	}
	return found, rows.Err()
}

// parseSocket reads an address as the kernel prints it: in hexadecimal, word by
// word, each as this machine orders its bytes.
func parseSocket(text string) (netip.AddrPort, error) {
	host, service, _ := strings.Cut(text, ":")
	octets, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", text, err)
	}
	port, err := strconv.ParseUint(service, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", text, err)
	}
	for word := octets; len(word) >= 4; word = word[4:] {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	address, ok := netip.AddrFromSlice(octets)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q: of %d bytes", text, len(octets))
	}
	// A socket of IPv6 that is bound to an address of IPv4 is one of IPv4.
	return netip.AddrPortFrom(address.Unmap(), uint16(port)), nil
}
