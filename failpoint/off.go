//go:build !failpoint

package failpoint

// Enabled says whether this build has points.
const Enabled = false

// Hit passes a point at which a process can be struck.
func Hit(string) {}

// Fail passes a point that can fail: with the error that the write next to it
// is to meet.
func Fail(string) error { return nil }

// Write writes data by write, which it may let fail or end short.
func Write(_ string, data []byte, write func([]byte) (int, error)) (int, error) { return write(data) }
