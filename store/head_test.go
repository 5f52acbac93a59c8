package store

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// TestHeadWords keeps the dictionary as it is: with another one, heads that are stored could not be read.
func TestHeadWords(t *testing.T) {
	sum := sha256.Sum256(headWords)
	const want = "1c4f8cc125793bcc02b3e190bd7aa1cef4384b9d2e1b51b2bf02f2bc0d9d2fc0"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("head.txt has changed: %s", got)
	}
}
