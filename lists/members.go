package lists

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"listd/mail"
)

// Row is one line of a file of members.
type Row struct {
	Address mail.Address
	Name    string
	Mode    Mode  // empty for who governs and does not receive
	Roles   Roles // Subscriber where the row receives
	Line    int   // in the file read
}

// LineError says what is wrong with one line of a file.
type LineError struct {
	Line   int
	Reason string
}

func (e LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Bounds of a file of members.
const (
	maxLine       = 64 << 10
	maxRows       = 1_000_000
	maxLineErrors = 10_000
	maxNameBytes  = 200
)

// columns of a file of members, in the order they have without a header line.
var columns = []string{"address", "name", "mode", "role"}

// noMode stands in the column mode for who governs and does not receive.
const noMode = "-"

// ReadMembers reads members as people keep them: CSV with a header line that names address, name, mode and role in
// any order (commas, semicolons or tabs between them), CSV without one in that order, or an address or
// "Name <address>" a line. Empty lines and those that begin with # are passed over. def is the mode of a row that
// names none. A line that repeats another is passed over if both say the same. Each line that cannot be read is
// named with its reason.
func ReadMembers(r io.Reader, def Mode) ([]Row, []LineError) {
	m := memberReader{def: def, seen: map[string]int{}, comma: ',', columns: columns}
	in := bufio.NewReaderSize(r, maxLine)
	for n := 1; len(m.bad) < maxLineErrors; n++ {
		line, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // the mark some editors begin with
		}
		if long {
			m.fail(n, "the line is longer than %d bytes", maxLine)
		} else if len(m.rows) == maxRows {
			m.fail(n, "more than %d members: cut the file", maxRows)
			break
		} else {
			m.line(n, line)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				m.fail(n, "reading: %v", err)
			}
			break
		}
	}
	return m.rows, m.bad
}

type memberReader struct {
	def     Mode
	rows    []Row
	bad     []LineError
	seen    map[string]int // Key of the address to index in rows
	started bool           // the first line that is no comment has been read
	comma   byte
	columns []string
	header  bool
	cells   []string
}

func (m *memberReader) fail(line int, format string, args ...any) {
	m.bad = append(m.bad, LineError{line, fmt.Sprintf(format, args...)})
}

func (m *memberReader) line(n int, raw []byte) {
	raw = bytes.TrimRight(raw, "\r\n") // a tab may be an empty last cell
	if text := bytes.TrimSpace(raw); len(text) == 0 || text[0] == '#' {
		return
	}
	s := string(raw)
	if !utf8.ValidString(s) {
		m.fail(n, "this is not UTF-8; save the file as UTF-8")
		return
	}
	if !m.started {
		m.started = true
		if m.isHeader(n, s) {
			return
		}
	}
	row, err := m.parse(s)
	if err != nil {
		m.fail(n, "%v", err)
		return
	}
	row.Line = n
	key := row.Address.Key()
	if i, ok := m.seen[key]; ok {
		if first := m.rows[i]; first.Name != row.Name || first.Mode != row.Mode || first.Roles != row.Roles {
			m.fail(n, "%s stands in line %d with other details", row.Address, first.Line)
		}
		return
	}
	m.seen[key] = len(m.rows)
	m.rows = append(m.rows, row)
}

// isHeader reads the header line, if the file has one.
func (m *memberReader) isHeader(n int, s string) bool {
	if strings.Contains(s, "@") {
		return false
	}
	comma := byte(',')
	for _, c := range []byte{';', '\t'} {
		if strings.IndexByte(s, c) >= 0 {
			comma = c
		}
	}
	cells, err := splitCells(nil, strings.ToLower(s), comma)
	if err != nil {
		return false
	}
	for i, c := range cells {
		if c == "email" || c == "e-mail" || c == "email address" {
			cells[i] = "address"
		}
	}
	if !slices.Contains(cells, "address") {
		return false
	}
	for i, c := range cells {
		if c != "" && !slices.Contains(columns, c) {
			m.fail(n, "the column %q is unknown: known are %s", c, strings.Join(columns, ", "))
		} else if c != "" && slices.Contains(cells[:i], c) {
			m.fail(n, "the column %q stands twice", c)
		}
	}
	m.comma, m.columns, m.header = comma, cells, true
	return true
}

func (m *memberReader) parse(s string) (row Row, err error) {
	cells, err := splitCells(m.cells[:0], s, m.comma)
	m.cells = cells
	if !m.header {
		_, bare := mail.ParseAddress(strings.TrimSpace(first(cells)))
		if err != nil || bare != nil {
			return m.mailbox(s) // perhaps "Name <address>", where a comma may stand in the name
		}
	}
	if err != nil {
		return row, err
	}
	var mode, role string
	for i, c := range cells {
		if i >= len(m.columns) {
			if c != "" {
				return row, fmt.Errorf("%d cells, where there should be %d", len(cells), len(m.columns))
			}
			continue
		}
		switch m.columns[i] {
		case "address":
			if c == "" {
				return row, errors.New("the address is missing")
			}
			if row.Address, err = mail.ParseAddress(c); err != nil {
				var box Row
				if box, err = m.mailbox(c); err != nil {
					return row, err
				}
				row.Address = box.Address
				if row.Name == "" {
					row.Name = box.Name
				}
			}
		case "name":
			if c != "" {
				row.Name = c
			}
		case "mode":
			mode = c
		case "role":
			role = c
		}
	}
	if row.Address.IsZero() {
		return row, errors.New("the address is missing")
	}
	if _, err := mail.ParseAddress(row.Name); err == nil && !m.header {
		return row, errTwo // "a@example.org, b@example.org" is not an address and a name
	}
	return m.finish(row, mode, role)
}

var errTwo = errors.New("there is more than one address: put each on a line of its own")

func first(cells []string) string {
	if len(cells) == 0 {
		return ""
	}
	return cells[0]
}

// mailbox reads an address with or without a name.
func (m *memberReader) mailbox(s string) (Row, error) {
	var boxes []mail.Mailbox
	if len(s) <= 1000 {
		boxes = mail.Mailboxes(s)
	}
	switch {
	case len(boxes) == 0:
		if len(s) > 80 {
			s = s[:80] + "…"
		}
		return Row{}, fmt.Errorf("%q is no address such as name@example.org", s)
	case len(boxes) > 1:
		return Row{}, errTwo
	}
	return m.finish(Row{Address: boxes[0].Address, Name: boxes[0].Name}, "", "")
}

func (m *memberReader) finish(row Row, mode, role string) (Row, error) {
	if err := checkLine(row.Name, maxNameBytes); err != nil {
		return row, fmt.Errorf("the name: %w", err)
	}
	var err error
	if role != "" {
		if row.Roles, err = ParseRoles(role); err != nil {
			return row, err
		}
	}
	switch {
	case mode == noMode && row.Roles&(Moderator|Owner) != 0:
		row.Roles &^= Subscriber
		return row, nil
	case mode == noMode:
		return row, fmt.Errorf("the mode %q is for moderators and owners who do not receive", noMode)
	case mode == "":
		row.Mode = m.def
	default:
		if row.Mode, err = ParseMode(mode); err != nil {
			return row, err
		}
	}
	row.Roles |= Subscriber
	return row, nil
}

// splitCells cuts a line of CSV (RFC 4180); a cell does not go over several lines.
func splitCells(cells []string, s string, comma byte) ([]string, error) {
	for {
		s = strings.TrimLeft(s, " ")
		if !strings.HasPrefix(s, `"`) {
			i := strings.IndexByte(s, comma)
			if i < 0 {
				return append(cells, strings.TrimSpace(s)), nil
			}
			cells, s = append(cells, strings.TrimSpace(s[:i])), s[i+1:]
			continue
		}
		var b strings.Builder
		rest, closed := s[1:], false
		for !closed {
			i := strings.IndexByte(rest, '"')
			if i < 0 {
				return cells, errors.New("a quotation mark is not closed")
			}
			b.WriteString(rest[:i])
			if rest = rest[i+1:]; strings.HasPrefix(rest, `"`) {
				b.WriteByte('"')
				rest = rest[1:]
			} else {
				closed = true
			}
		}
		cells = append(cells, strings.TrimSpace(b.String()))
		rest = strings.TrimLeft(rest, " ")
		if rest == "" {
			return cells, nil
		}
		if rest[0] != comma {
			return cells, errors.New("something follows a closing quotation mark")
		}
		s = rest[1:]
	}
}

// WriteMembers writes rows as ReadMembers reads them, with a header line.
func WriteMembers(w io.Writer, rows []Row) error {
	out := bufio.NewWriter(w)
	out.WriteString(strings.Join(columns, ",") + "\n")
	for _, r := range rows {
		mode := string(r.Mode)
		if !r.Roles.Has(Subscriber) && r.Roles != 0 {
			mode = noMode
		}
		role := r.Roles.String()
		if role == "" {
			role = "member"
		}
		for i, cell := range []string{r.Address.String(), r.Name, mode, role} {
			if i > 0 {
				out.WriteByte(',')
			}
			if strings.ContainsAny(cell, ",\"#") {
				out.WriteString(`"` + strings.ReplaceAll(cell, `"`, `""`) + `"`)
			} else {
				out.WriteString(cell)
			}
		}
		out.WriteByte('\n')
	}
	return out.Flush()
}
