//go:build real

package realtest_test

import "testing"

func evolution(t *testing.T, l *lab)        {}
func registryTroubles(t *testing.T, l *lab) {}
