package lists

import "bytes"

// indexFold is bytes.Index without regard to the case of ASCII letters. What is sought is short.
func indexFold[T ~string | ~[]byte](s, sep T) int {
	if len(sep) == 0 {
		return 0
	}
	first := sep[0] | 0x20
	for at := 0; at+len(sep) <= len(s); at++ {
		if s[at]|0x20 == first && equalFoldASCII(s[at:at+len(sep)], sep) {
			return at
		}
	}
	return -1
}

// equalFoldASCII compares what is of one length.
func equalFoldASCII[T ~string | ~[]byte](a, b T) bool {
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func containsFold(s, sep []byte) bool { return indexFold(s, sep) >= 0 }

// lastIndexFold is indexFold from the end.
func lastIndexFold(s, sep []byte) int {
	for at := len(s) - len(sep); at >= 0; at-- {
		if equalFoldASCII(s[at:at+len(sep)], sep) {
			return at
		}
	}
	return -1
}

// crlf is s with every line ended by CRLF.
func crlf(s string) []byte {
	out := make([]byte, 0, len(s)+len(s)/20+2)
	for i := range len(s) {
		if s[i] == '\n' && (i == 0 || s[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, s[i])
	}
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(out, "\r\n"...)
	}
	return out
}
