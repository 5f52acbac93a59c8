package archive

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"listd/mail"
)

// MboxWriter writes messages as an mbox. It quotes so that each message can be read back as it was: the kind known as
// mboxrd. Lines end in LF, as is the custom of the machines that have such files.
type MboxWriter struct {
	w   io.Writer
	buf []byte
}

// NewMboxWriter makes a writer to w. Each message is one Write of w.
func NewMboxWriter(w io.Writer) *MboxWriter { return &MboxWriter{w: w} }

// Write appends a message behind RFC 4155's "From " line of its reverse-path, MAILER-DAEMON for the null one, and the
// time it came in. A line end of any kind becomes LF, and a last line without gets one. An error is w's.
func (w *MboxWriter) Write(m mail.Message, from mail.Address, at time.Time) error {
	who := from.String()
	if from.IsZero() || bytes.ContainsAny([]byte(who), "\r\n\x00\t") || len(who) > maxFromLine/2 {
		who = "MAILER-DAEMON"
	}
	if y := at.UTC().Year(); y < 0 || y > 9999 {
		at = time.Time{}
	}
	w.buf = fmt.Appendf(w.buf[:0], "From %s %s\n", who, at.UTC().Format(time.ANSIC))
	w.lines(m.Head)
	w.buf = append(w.buf, '\n')
	w.lines(m.Body)
	w.buf = append(w.buf, '\n')
	if _, err := w.w.Write(w.buf); err != nil {
		return fmt.Errorf("write mbox: %w", err)
	}
	return nil
}

func (w *MboxWriter) lines(b []byte) {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		for { // a CR that stands alone ends a line for some readers
			part, more, cr := bytes.Cut(line, []byte("\r"))
			if w.line(part); !cr {
				break
			}
			line = more
		}
	}
}

func (w *MboxWriter) line(b []byte) {
	if len(b) > 0 && (b[0] == '>' || b[0] == 'F') && bytes.HasPrefix(bytes.TrimLeft(b, ">"), []byte("From ")) {
		w.buf = append(w.buf, '>')
	}
	w.buf = append(append(w.buf, b...), '\n')
}
