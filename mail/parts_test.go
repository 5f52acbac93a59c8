package mail

import (
	"bytes"
	"testing"
)

// What is refused must cost little: a body of nothing but delimiters has millions of parts, and no list of them is made.
func TestCutPartsBounded(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("--b\r\n"), 1<<20)
	if parts, _ := cutParts(body, "b", 11); len(parts) != 11 || cap(parts) > 64 {
		t.Errorf("%d parts in a list of %d, want 11", len(parts), cap(parts))
	}
}
