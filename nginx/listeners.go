package nginx

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What the kernel's include/uapi/linux/unix_diag.h says; x/sys/unix does not.
const (
	udiagShowName    = 1 << 0
	udiagAttrName    = 0
	unixDiagReqSize  = 24
	unixDiagRespSize = 16
)

// unixDiagRequest is the kernel's struct unix_diag_req: every listening socket,
// with its name.
type unixDiagRequest struct{}

func (unixDiagRequest) Len() int { return unixDiagReqSize }

func (unixDiagRequest) Serialize() []byte {
	b := make([]byte, unixDiagReqSize)
	b[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(b[4:], 1<<tcpListen) // unix sockets have TCP's states
	binary.NativeEndian.PutUint32(b[12:], udiagShowName)
	return b
}

// listenerReads is how often the kernel is asked. Its answer comes in pieces, and
// a row is missed when one ends in the row's hash slot while another bound socket
// of that slot goes: rare enough that not all of these meet it.
const listenerReads = 3

// listeners returns the inodes of the unix sockets that listen at the path. It
// asks the kernel by netlink (sock_diag(7)), which tells of listening sockets
// alone. /proc/net/unix, read before, is made anew for every page of it, and
// misses rows while other sockets come and go.
func listeners(path string) (map[uint32]bool, error) {
	found := map[uint32]bool{}
	for range listenerReads {
		req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		req.AddData(unixDiagRequest{})
		err := req.ExecuteIter(unix.NETLINK_SOCK_DIAG, nl.SOCK_DIAG_BY_FAMILY, func(msg []byte) bool {
			if inode, name := unixSocket(msg); name == path {
				found[inode] = true
			}
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("reading the host's unix sockets: %w", err)
		}
	}
	return found, nil
}

// unixSocket reads one struct unix_diag_msg with its attributes; name is "" for a
// socket without one.
func unixSocket(msg []byte) (inode uint32, name string) {
	if len(msg) < unixDiagRespSize {
		return 0, ""
	}
	inode = binary.NativeEndian.Uint32(msg[4:])
	attrs, err := nl.ParseRouteAttr(msg[unixDiagRespSize:])
	if err != nil {
		return inode, ""
	}
	for _, a := range attrs {
		if a.Attr.Type == udiagAttrName {
			name = strings.TrimRight(string(a.Value), "\x00")
		}
	}
	return inode, name
}
