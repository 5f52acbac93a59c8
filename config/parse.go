package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// The places where a configuration is looked for when nobody names one.
const (
	localFile  = "listd.toml"
	systemFile = "/etc/listd/listd.toml"
)

// Find returns the path of the configuration to load: flag (--config), else env ($LISTD_CONFIG), else ./listd.toml,
// else /etc/listd/listd.toml. A file that was named need not exist: Load will say so.
func Find(flag, env string) (string, error) {
	for _, named := range []string{flag, env} {
		if named != "" {
			return named, nil
		}
	}
	for _, path := range []string{localFile, systemFile} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil // one that cannot be read is an error of Load, not a reason to take another
		}
	}
	return "", fmt.Errorf("there is no ./%s and no %s: run `listd init --domain DOMAIN` to write one, "+
		"or name yours with --config FILE or $LISTD_CONFIG", localFile, systemFile)
}

// Load reads the file at path, takes relative paths in it from its folder, and checks it. All that is wrong is in the error.
func Load(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("%w: run `listd init --domain DOMAIN` to write a configuration, "+
			"or name yours with --config FILE or $LISTD_CONFIG", err)
	}
	if err != nil {
		return Config{}, err // it names the path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Config{}, err
	}
	c, err := Parse(b)
	var bad *textError
	if err == nil || !errors.As(err, &bad) {
		c = c.In(filepath.Dir(abs))
		err = errors.Join(err, c.Check())
	}
	if err != nil {
		return Config{}, inFile(path, err)
	}
	return c, nil
}

// inFile names the file once, before one problem or above several.
func inFile(path string, err error) error {
	if strings.Contains(err.Error(), "\n") {
		return fmt.Errorf("%s:\n%w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// maxFile and maxLines keep a file that is no configuration from costing much.
const (
	maxFile  = 64 << 10
	maxLines = 200 // of one value
)

// textError says that the text is no TOML, so that nothing can be said about its keys.
type textError struct {
	line   int
	reason string
}

func (e *textError) Error() string {
	if e.line == 0 {
		return e.reason
	}
	return fmt.Sprintf("line %d: %s", e.line, e.reason)
}

// Parse reads b over the defaults. Its error has every unknown key and every value of a wrong kind, with its line; the
// values that could be read are returned beside it. It does not Check.
func Parse(b []byte) (Config, error) {
	c := Default()
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // Windows' editors put a byte order mark in front
	if len(b) > maxFile {
		return c, &textError{0, fmt.Sprintf("this is no configuration of listd: it is longer than %v", Size(maxFile))}
	}
	// The whole text first: only in it do doubled keys and tables show.
	if _, err := toml.Decode(string(b), &map[string]any{}); err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return c, &textError{pe.Position.Line, pe.Message}
		}
		return c, &textError{0, err.Error()}
	}
	statements, err := split(string(b))
	if err != nil {
		return c, err
	}
	known := keys()
	var wrong []error
	told := map[string]bool{} // unknown keys; what lies below one is not told again
	for _, s := range statements {
		unknown := false
		for _, key := range s.keys {
			switch {
			case known[key].IsValid():
			case below(key, told):
				unknown = true
			default:
				told[key], unknown = true, true
				wrong = append(wrong, fmt.Errorf("line %d: unknown key %s; %s", s.line, key, hint(key, known)))
			}
		}
		if unknown {
			continue
		}
		if err := s.read(&c); err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %s", s.line, badValue(s, err, known)))
		}
	}
	for i := range c.Mailboxes {
		m := &c.Mailboxes[i]
		m.Domain = strings.ToLower(strings.TrimSuffix(m.Domain, "."))
	}
	c.Hostname = strings.ToLower(strings.TrimSuffix(c.Hostname, ".")) // compared with the domains of addresses
	return c, errors.Join(wrong...)
}

// statement is a table's header or one key with its value, maybe over several lines.
type statement struct {
	line  int      // where it begins
	table string   // the header it stands under; its own for a header
	text  string   // empty for a header
	keys  []string // all that it defines, from the root: more than one for an inline table
}

// mailboxTable is the one array of tables: each [[mailbox]] begins another mailbox.
const mailboxTable = "mailbox"

var errNoArray = errors.New("it is an array of tables")

// read reads the statement over c.
func (s statement) read(c *Config) error {
	top, _, _ := strings.Cut(s.keys[0], ".")
	switch array := strings.HasPrefix(s.table, "[["); {
	case top != mailboxTable:
		_, err := toml.Decode(s.table+"\n"+s.text, c)
		return err
	case !array:
		return errNoArray
	case s.text == "":
		c.Mailboxes = append(c.Mailboxes, DefaultMailbox())
		return nil
	}
	// The statement alone is an array of one: it goes to the mailbox that was begun last.
	last := &c.Mailboxes[len(c.Mailboxes)-1]
	one := struct {
		Mailboxes []Mailbox `toml:"mailbox"`
	}{[]Mailbox{*last}}
	_, err := toml.Decode(s.table+"\n"+s.text, &one)
	if err == nil {
		*last = one.Mailboxes[0]
	}
	return err
}

// split cuts a text that is valid TOML into its statements. The parser tells no lines of keys, but a statement ends
// where, and only where, its lines parse alone.
func split(text string) ([]statement, error) {
	var found []statement
	table := ""
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		first := strings.TrimSpace(lines[i])
		if first == "" || first[0] == '#' {
			continue
		}
		if first[0] == '[' {
			table = first
			found = append(found, statement{line: i + 1, table: table})
		} else {
			begin := i
			for !parses(strings.Join(lines[begin:i+1], "")) {
				if i++; i == len(lines) || i-begin > maxLines {
					return nil, &textError{begin + 1, fmt.Sprintf("a value has at most %d lines", maxLines)}
				}
			}
			found = append(found, statement{line: begin + 1, table: table, text: strings.Join(lines[begin:i+1], "")})
		}
		s := &found[len(found)-1]
		meta, err := toml.Decode(s.table+"\n"+s.text, &map[string]any{})
		if err != nil {
			return nil, &textError{s.line, err.Error()}
		}
		for _, key := range meta.Keys() {
			s.keys = append(s.keys, strings.Join(key, "."))
		}
	}
	return found, nil
}

func parses(text string) bool {
	_, err := toml.Decode(text, &map[string]any{})
	return err == nil
}

// below reports whether key, or a table that it is in, is told of already.
func below(key string, told map[string]bool) bool {
	for key != "" && !told[key] {
		key = key[:max(strings.LastIndexByte(key, '.'), 0)]
	}
	return key != ""
}

// isTables reports whether a value is an array of tables.
func isTables(v reflect.Value) bool { return v.Type() == reflect.TypeFor[[]Mailbox]() }

// keys returns every key and table of Config, from the root, with its default.
func keys() map[string]reflect.Value {
	known := map[string]reflect.Value{}
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for field, value := range v.Fields() {
			key := prefix + field.Tag.Get("toml")
			known[key] = value
			switch {
			case isTables(value):
				walk(key+".", reflect.ValueOf(DefaultMailbox()))
			case value.Kind() == reflect.Struct:
				walk(key+".", value)
			}
		}
	}
	walk("", reflect.ValueOf(Default()))
	return known
}

// badValue says what kind of value the statement's last key wants. No word of the value itself: it may be a secret.
func badValue(s statement, err error, known map[string]reflect.Value) string {
	key := s.keys[len(s.keys)-1]
	var pe toml.ParseError
	if errors.As(err, &pe) {
		return key + ": " + pe.Message
	}
	if errors.Is(err, errNoArray) {
		return "mailbox: want a table for each: write [[mailbox]] on a line of its own, its keys below"
	}
	want := "a text in quotes"
	switch v := known[key]; v.Kind() {
	case reflect.Struct:
		want = fmt.Sprintf("a table: write [%s] on a line of its own, its keys below", key)
	case reflect.Slice:
		want = `a list of texts in quotes, such as ["127.0.0.1:2525"]`
	case reflect.Bool:
		want = "true or false, without quotes"
	case reflect.Int:
		want = fmt.Sprintf("a whole number without quotes, such as %v", v.Interface())
	case reflect.Int64:
		want = fmt.Sprintf("a text such as %q", v.Interface())
	}
	return key + ": want " + want
}

// hint names the known key that is nearest to an unknown one.
func hint(key string, known map[string]reflect.Value) string {
	best, nearest := 1<<30, ""
	for k, v := range known {
		if (v.Kind() == reflect.Struct || isTables(v)) && strings.Contains(key, ".") {
			continue // a table is no help to one who wrote a key into another
		}
		d := distance(key, k)
		if a, b := last(key), last(k); len(b) > 2 {
			d = min(d, distance(a, b)+1) // the right key in the wrong table
		}
		if d < best || d == best && closer(key, k, nearest) {
			best, nearest = d, k
		}
	}
	if best <= max(1, len(last(key))/3) {
		return fmt.Sprintf("did you mean %s?", nearest)
	}
	return fmt.Sprintf("take it out; the nearest that listd knows is %s", nearest)
}

// closer reports whether a is rather what is meant by key than b, of which it is as far: in the same table, else first
// by the alphabet.
func closer(key, a, b string) bool {
	table := key[:strings.LastIndexByte(key, '.')+1]
	if in := strings.HasPrefix(a, table); in != strings.HasPrefix(b, table) {
		return in
	}
	return a < b
}

func last(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance is Levenshtein's, over bytes of lower-case text.
func distance(a, b string) int {
	a, b = strings.ToLower(a[:min(len(a), 64)]), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
