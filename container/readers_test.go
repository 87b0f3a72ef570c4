package container

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// endless is an archive of one enormous file.
type endless struct {
	head   *bytes.Reader
	read   int
	closed bool
}

func (e *endless) Read(data []byte) (int, error) {
	n, err := e.head.Read(data)
	if err == io.EOF {
		n, err = len(data), nil
	}
	e.read += n
	return n, err
}

func (e *endless) Close() error {
	e.closed = true
	return nil
}

func archiveOf(t *testing.T, header tar.Header) *endless {
	t.Helper()
	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(&header); err != nil {
		t.Fatal(err)
	}
	return &endless{head: bytes.NewReader(head.Bytes())}
}

func TestReadEntry_leavesTheRestOfALongFile(t *testing.T) {
	t.Parallel()
	archive := archiveOf(t, tar.Header{Name: "big", Mode: 0o644, Size: 10 << 30})
	content, err := readEntry(archive, 5000)
	if err != nil || len(content) != 5001 {
		t.Errorf("%d bytes, %v; want 5001", len(content), err)
	}
	if archive.read > 64<<10 || !archive.closed {
		t.Errorf("read %d bytes, closed %v", archive.read, archive.closed)
	}
	if _, err := readEntry(archiveOf(t, tar.Header{Name: "folder/", Typeflag: tar.TypeDir}), 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder: %v", err)
	}
	cut := &endless{head: bytes.NewReader(nil)} // nothing but zeros: no archive
	if _, err := readEntry(cut, 10); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no archive: %v", err)
	}
}

// Two tables of a machine with a little-endian processor, as Linux prints them.
const (
	table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:A3AD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 65023 1 0000000000000000 100 0 0 10 0
   1: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 65024 1 0000000000000000 100 0 0 10 0
   2: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 65025 1 0000000000000000 100 0 0 10 0
   3: 0A00D20A:0BB8 0100D20A:C350 01 00000000:00000000 00:00000000 00000000     0        0 65026 1 0000000000000000 20 4 30 10 -1
`
	table6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1388 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 65027 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:1389 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 65028 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000A00D20A:138A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 65029 1 0000000000000000 100 0 0 10 0
`
)

func TestReadListeners_readsWhatTheKernelPrints(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if _, err := readListeners(folder); err == nil {
		t.Error("without tables: no error")
	}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func() []string {
		t.Helper()
		found, err := readListeners(folder)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, listener := range found {
			texts = append(texts, listener.String())
		}
		return texts
	}
	write("tcp", table)
	if diff := cmp.Diff([]string{"127.0.0.1:3000"}, read()); diff != "" {
		t.Errorf("without IPv6 (want, got):\n%s", diff)
	}
	write("tcp6", table6)
	want := []string{"10.210.0.10:5002", "127.0.0.1:3000", "[::]:5000", "[::1]:5001"}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("listeners (want, got):\n%s", diff)
	}
	for _, broken := range []string{"x:1388", "0100007F", "0100007F:xyz", "0100:1388"} {
		if got, err := parseSocket(broken); err == nil {
			t.Errorf("parseSocket(%q) = %s", broken, got)
		}
	}
	if got, err := parseSocket("0100007F:0BB8"); err != nil || got != netip.MustParseAddrPort("127.0.0.1:3000") {
		t.Errorf("parseSocket: %s, %v", got, err)
	}
}
