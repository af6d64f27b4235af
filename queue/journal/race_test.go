//go:build race

package journal

// The race detector slows SQLite tenfold, and nothing is concurrent in the tests that are thorough.
func init() { thorough = false }
