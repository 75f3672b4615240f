//go:build !unix

package embedded

// lock does nothing where files cannot be locked.
func lock(string) (unlock func() error, err error) { return func() error { return nil }, nil }
