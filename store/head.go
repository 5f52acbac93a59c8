package store

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// A head is small, and most of it is what every head has: names of fields, the sentences of servers. Alone it shrinks by
// two fifths, with a text of such words before it (RFC 8878 section 5, a raw dictionary) by three. What lies in the column
// says itself which it is: a frame begins with four bytes that no field name may have; a head that begins so all the same
// is packed whatever that costs.

// headWords is that text; what is used often stands at its end. It must never change, since heads that were packed with it
// name it by headDict: a better one takes the next number.
//
//go:embed head.txt
var headWords []byte

const headDict = 1

var (
	frameMagic  = []byte{0x28, 0xb5, 0x2f, 0xfd} // RFC 8878 section 3.1.1
	headEncoder = warm(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(chunkSize), zstd.WithSingleSegment(true), zstd.WithEncoderDictRaw(headDict, headWords)))
	headDecoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(2*chunkSize),
		zstd.WithDecoderDictRaw(headDict, headWords)))
)

// warm has an encoder make what it shares between goroutines, which it would do at its first use: that may be in a test
// whose goroutines share nothing with others (testing/synctest).
func warm(e *zstd.Encoder, err error) *zstd.Encoder {
	must(e, err).EncodeAll([]byte{0}, nil)
	return e
}

// packHead makes a head ready to be stored.
func packHead(head []byte) []byte {
	if head == nil {
		return []byte{} // nil would be NULL
	}
	z := headEncoder.EncodeAll(head, make([]byte, 0, len(head)/2+64))
	if len(z) < len(head) || bytes.HasPrefix(head, frameMagic) {
		return z
	}
	return head
}

// packedHead is where a head is scanned to: what comes out is as it was.
type packedHead []byte

// Scan implements sql.Scanner.
func (h *packedHead) Scan(src any) error {
	b, ok := src.([]byte)
	switch {
	case src == nil:
		*h = nil
		return nil
	case !ok:
		return fmt.Errorf("a head is %T", src)
	case !bytes.HasPrefix(b, frameMagic):
		*h = bytes.Clone(b)
		return nil
	}
	out, err := headDecoder.DecodeAll(b, nil)
	if err != nil {
		return fmt.Errorf("a head cannot be unpacked: %w", err)
	}
	*h = out
	return nil
}

// headStart is how much of a stored head tells how long it is unpacked.
const headStart = zstd.HeaderMaxSize

// headSize is the size in bytes of a head that is stored in size bytes and begins with start.
func headSize(start []byte, size int64) (int64, error) {
	if !bytes.HasPrefix(start, frameMagic) {
		return size, nil
	}
	var h zstd.Header
	if err := h.Decode(start); err != nil {
		return 0, fmt.Errorf("a head cannot be unpacked: %w", err)
	}
	return int64(h.FrameContentSize), nil
}
