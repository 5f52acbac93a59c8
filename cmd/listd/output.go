package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"listd/config"
	"listd/lists"
	"listd/mail"
	"listd/roster"
	"listd/store"
)

// with opens the site, has f work on it, and closes it. What the rooms log of an act, its command prints; only what
// is wrong is logged.
func (a *app) with(ctx context.Context, f func(*site) error) error {
	t, err := a.open(ctx, refuse)
	if err != nil {
		return err
	}
	defer t.close()
	if t.cfg.Log.Level.Level() < slog.LevelWarn {
		t.log = newLog(config.Log{Level: config.Warn, Format: t.cfg.Log.Format}, a.errs)
		t.door.Log = t.log
	}
	return f(t)
}

// print prints v with --json; else text writes for people.
func (a *app) print(v any, text func(w io.Writer)) error {
	w := bufio.NewWriter(a.out)
	if a.json {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			return err
		}
	} else {
		text(w)
	}
	return w.Flush()
}

// object is JSON with its keys in the order they are documented in.
type object []pair

type pair struct {
	key   string
	value any
}

// MarshalJSON writes the pairs in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, p := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(p.key) + ":") // keys are names, which Go and JSON quote alike
		if err := e.Encode(p.value); err != nil {
			return nil, fmt.Errorf("%s: %w", p.key, err)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// objects is an array of what f makes of each, [] if there is none.
func objects[T any](all []T, f func(T) object) []object {
	out := make([]object, len(all))
	for i, x := range all {
		out[i] = f(x)
	}
	return out
}

// jsonTime is a time for programs; null where there is none.
func jsonTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// clockTime is a time for people.
func clockTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// table writes rows in columns that line up, under a line with their names.
func table[T any](w io.Writer, names string, rows []T, cells func(T) []string) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(names, " ", "\t"))
	for _, r := range rows {
		line := cells(r)
		for i := range line {
			line[i] = oneLine(line[i])
		}
		fmt.Fprintln(t, strings.Join(line, "\t"))
	}
	_ = t.Flush() // it writes to a buffer
}

// facts writes a name and its value a line.
func facts(w io.Writer, all [][2]string) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, f := range all {
		if f[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", f[0], oneLine(f[1]))
		}
	}
	_ = t.Flush() // it writes to a buffer
}

// terminalSafe is s without what a terminal obeys: control characters (ECMA-48), and the directions of Unicode, by
// which a text can pass for another. Line breaks and tabs stay.
func terminalSafe(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', r >= '\u200e' && r <= '\u200f',
			r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// oneLine is s as a cell of a table: safe for a terminal, and one line.
func oneLine(s string) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(terminalSafe(s))
}

// shorten cuts s to n characters.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// warn tells what the caller should know of an act that succeeded.
func (a *app) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(a.errs, "listd: warning: %s\n", w)
	}
}

// terminal reports whether f is one, and which.
func terminal(f any) (*os.File, bool) {
	file, ok := f.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}

// confirm lets an act that cannot be undone go on: with --yes, or with a yes at the terminal.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if _, ok := terminal(a.in); !ok {
		return usage("nobody can be asked here: %s Repeat the command with --yes if you are sure", question)
	}
	fmt.Fprintf(a.errs, "%s [y/N] ", question)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing has been done")
}

// listArg reads the address of a list.
func listArg(s string) (mail.Address, error) {
	addr, err := mail.ParseAddress(s)
	if err != nil {
		return addr, usage("%q is no list's address: write the whole of it, such as pyug@lists.example.org; `listd list ls` shows all", s)
	}
	return addr, nil
}

// addressArg reads the address of a person.
func addressArg(s string) (mail.Address, error) {
	addr, err := mail.ParseAddress(s)
	if err != nil {
		return addr, usage("%q is no address: write one such as name@example.org", s)
	}
	return addr, nil
}

func addressArgs(args []string) (out []mail.Address, err error) {
	for _, s := range args {
		addr, err := addressArg(s)
		if err != nil {
			return nil, err
		}
		out = append(out, addr)
	}
	return out, nil
}

// idArgs reads numbers as `ls` shows them.
func idArgs[T ~int64](args []string, see string) (out []T, err error) {
	for _, s := range args {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 {
			return nil, usage("%q is no number; `%s` shows them", s, see)
		}
		out = append(out, T(n))
	}
	return out, nil
}

// keyValues reads key=value arguments, each key once. What check says of one is a usage error.
func (a *app) keyValues(args []string, check func(key, value string) error) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range args {
		key, value, ok := strings.Cut(s, "=")
		if !ok || key == "" {
			return nil, usage("%q: write a setting as key=value", s)
		}
		if _, twice := out[key]; twice {
			return nil, usage("%s is set twice", key)
		}
		value, err := a.value(key, value)
		if err != nil {
			return nil, err
		}
		if err := check(key, value); err != nil {
			return nil, &usageError{err}
		}
		out[key] = value
	}
	return out, nil
}

// value reads a value that is given as @FILE. Of bans, @example.org is one: there the file has a slash in its name,
// and an entry a line.
func (a *app) value(key, v string) (string, error) {
	path, ok := strings.CutPrefix(v, "@")
	if !ok || key == "bans" && !strings.Contains(path, "/") {
		return v, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w; a value that begins with @ names a file", key, err)
	}
	v = strings.TrimRight(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
	if key == "bans" || key == "aliases" {
		v = strings.ReplaceAll(v, "\n", ",")
	}
	return v, nil
}

// checkPolicy says what is wrong with a setting of a list, whatever the others are.
func checkPolicy(key, value string) error {
	p := lists.DefaultPolicy()
	return p.Set(key, value)
}

// findList is the list at an address, or roster.ErrNoList.
func findList(tx *store.Tx, at mail.Address) (lists.List, error) {
	l, err := tx.ListAt(at)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%s: %w", at, roster.ErrNoList)
	}
	return l, err
}

// listNames are the addresses of all lists by their IDs.
func listNames(tx *store.Tx) (map[lists.ID]string, error) {
	all, err := tx.Lists()
	names := map[lists.ID]string{}
	for _, l := range all {
		names[l.ID] = l.Address.String()
	}
	return names, err
}

// count is a number with its noun.
func count[N ~int | ~int64 | ~uint32](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// number is n in digits.
func number[N ~int | ~int64 | ~uint32](n N) string { return strconv.FormatInt(int64(n), 10) }
