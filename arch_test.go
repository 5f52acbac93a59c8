// Package listd_test holds the house against its plan: which room may know which, and what every file keeps to.
package listd_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// room is a line of the plan's table: what a package may import beside the standard library, and what of that it must
// not. A name without a dot is a package of this module.
type room struct {
	may []string
	not []string
}

// Packages of the standard library that tie a room to the world.
var (
	pure    = []string{"context", "os", "os/exec", "os/signal", "net", "net/http", "syscall", "database/sql", "log/slog", "testing", "math/rand", "math/rand/v2", "crypto/rand"}
	inside  = []string{"os", "os/exec", "os/signal", "net", "net/http", "syscall", "database/sql", "testing"} // the work floor: no sockets, no files
	program = []string{"database/sql", "testing"}
)

// plan is the table of floors, from the ground up. A package that it does not know fails the test: where it stands is
// decided before it is written.
var plan = map[string]room{
	"mail": {may: []string{"github.com/emersion/go-message", "golang.org/x/net", "golang.org/x/text"}, not: pure},
	// sync is there for a pool of hashes, io for readers of bytes that somebody else has opened.
	"lists":      {may: []string{"mail"}, not: pure},
	"letter":     {may: []string{"mail", "github.com/yuin/goldmark", "golang.org/x/image", "golang.org/x/text"}, not: pure},
	"mailauth":   {may: []string{"mail", "blitiri.com.ar/go/spf", "github.com/emersion/go-msgauth", "golang.org/x/net"}, not: []string{"os", "os/exec", "net/http", "database/sql", "testing"}},
	"config":     {may: []string{"github.com/BurntSushi/toml"}, not: []string{"context", "os/exec", "net/http", "database/sql", "testing"}},
	"migrations": {not: append([]string{"fmt", "time"}, pure...)},
	"store": {may: []string{"lists", "mail", "migrations", "github.com/jmoiron/sqlx", "github.com/pressly/goose/v3", "github.com/jackc/pgx/v5",
		"modernc.org/sqlite", "github.com/klauspost/compress/zstd", "golang.org/x/sys/unix"}, not: []string{"net", "net/http", "testing", "log/slog"}},
	"task":    {may: []string{"store"}, not: inside},
	"archive": {may: []string{"store", "task", "lists", "mail", "golang.org/x/text/unicode/norm"}, not: inside},
	"auth":    {may: []string{"store", "lists", "mail"}, not: inside},
	"queue":   {may: []string{"task", "store", "mailauth", "lists", "mail"}, not: inside},
	"roster":  {may: []string{"queue", "auth", "task", "store", "letter", "lists", "mail"}, not: inside},
	"digest":  {may: []string{"feeds", "queue", "task", "store", "letter", "lists", "mail"}, not: inside},
	"inbound": {may: []string{"digest", "roster", "auth", "archive", "queue", "task", "store", "mailauth", "lists", "mail"}, not: inside},
	"feeds":   {may: []string{"mail", "golang.org/x/net", "net/http"}, not: []string{"os", "os/exec", "database/sql", "log/slog", "testing"}},
	"web":     {may: []string{"inbound", "roster", "archive", "auth", "lists", "mail", "golang.org/x/net/html", "net/http"}, not: []string{"database/sql", "listd/store"}},
	"imap": {may: []string{"inbound", "archive", "auth", "lists", "mail", "github.com/emersion/go-imap/v2"},
		not: []string{"os/exec", "net/http", "database/sql", "testing"}},
	"smtp": {may: []string{"mail", "github.com/emersion/go-smtp", "github.com/emersion/go-sasl"},
		not: []string{"os", "os/exec", "net/http", "database/sql", "testing"}},
	"smtp/sink": {not: []string{"os", "os/exec", "net/http", "database/sql", "testing"}},
	"cmd/listd": {may: []string{"inbound", "roster", "archive", "auth", "imap", "digest", "feeds", "queue", "task", "store", "mailauth", "smtp", "smtp/sink", "web", "net/http", "config", "lists", "mail",
		"github.com/spf13/cobra", "github.com/schollz/progressbar/v3", "golang.org/x/sync", "golang.org/x/sys", "golang.org/x/term"}, not: program},
	"bench": {may: []string{"smtp/sink", "smtp", "mail", "github.com/emersion/go-msgauth", "golang.org/x/sync"}, not: program},

	// What only tests use.
	"store/storetest": {may: []string{"store", "lists", "mail"}},
	"store/fresh":     {may: []string{"store", "store/pgtest"}},
	"store/pgtest":    {may: []string{"github.com/jackc/pgx/v5"}},
	"web/chromium":    {},
}

// clockless are the rooms to which time comes as a value.
var clockless = []string{"mail", "lists", "letter", "migrations", "archive"}

// maxFile and maxFunc are how much one reads at a time, in lines.
const (
	maxFile = 600
	maxFunc = 80
)

// long are files that may be longer, each with its reason.
var long = map[string]string{}

// pkg is what go list tells about a package.
type pkg struct {
	ImportPath, Dir                    string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports                            []string
	Module                             *struct{ Path string }
}

func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, "listd/") }

func packages(t *testing.T) (out []pkg) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,Module", "./...")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
}

// TestFloors holds the imports against the plan.
func TestFloors(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue // tests alone
		}
		r, ok := plan[p.name()]
		if found[p.name()] = true; !ok {
			t.Errorf("the plan does not know the package %s: say in arch_test.go, and in the plan, what it may import", p.name())
			continue
		}
		for _, path := range p.Imports {
			if !r.allows(path) {
				t.Errorf("%s must not import %s", p.name(), path)
			}
		}
	}
	for name := range maps.Keys(plan) {
		if !found[name] {
			t.Errorf("the plan knows a package %s that is not there", name)
		}
	}
}

// allows reports whether a room may import path.
func (r room) allows(path string) bool {
	name, ours := strings.CutPrefix(path, "listd/")
	first, _, _ := strings.Cut(path, "/")
	switch {
	case ours:
		return slices.Contains(r.may, name)
	case strings.Contains(first, "."):
		return slices.ContainsFunc(r.may, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") })
	}
	return !slices.Contains(r.not, path)
}

// TestAllows proves that TestFloors can fail.
func TestAllows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		room, path string
		want       bool
	}{
		{"lists", "listd/mail", true},
		{"lists", "net/netip", true},
		{"lists", "listd/store", false},
		{"lists", "net", false},
		{"lists", "context", false},
		{"smtp", "listd/lists", false},
		{"smtp", "listd/store", false},
		{"queue", "listd/smtp", false},
		{"queue", "listd/roster", false},
		{"inbound", "net", false},
		{"inbound", "listd/config", false},
		{"roster", "database/sql", false},
		{"store", "database/sql", true},
		{"store", "github.com/jackc/pgx/v5/stdlib", true},
		{"cmd/listd", "github.com/jackc/pgx/v5", false},
		{"cmd/listd", "listd/store/pgtest", false},
	} {
		if got := plan[c.room].allows(c.path); got != c.want {
			t.Errorf("%s may import %s: %v, want %v", c.room, c.path, got, c.want)
		}
	}
}

// TestHabits holds every file to what this house keeps to.
func TestHabits(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		described := false
		for _, file := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			f := parse(t, p, file)
			described = described || f.describes(p)
			f.check(t)
			if slices.Contains(clockless, p.name()) && !f.test {
				f.uses(t, "time", "Now", "Since", "Until", "After", "Sleep", "NewTimer", "NewTicker", "Tick", "AfterFunc")
			}
			if f.test && !f.imports("testing/synctest") { // there it costs no time
				f.uses(t, "time", "Sleep")
			}
		}
		if !described {
			t.Errorf("%s has no package comment that says its one duty", p.name())
		}
	}
}

type source struct {
	*ast.File
	path  string // below the module's root
	test  bool
	set   *token.FileSet
	lines int
}

func parse(t *testing.T, p pkg, file string) source {
	t.Helper()
	s := source{set: token.NewFileSet(), path: filepath.Join(strings.TrimPrefix(p.name(), "listd"), file), test: strings.HasSuffix(file, "_test.go")}
	var err error
	if s.File, err = parser.ParseFile(s.set, filepath.Join(p.Dir, file), nil, parser.ParseComments); err != nil {
		t.Fatal(err)
	}
	s.lines = s.set.File(s.FileStart).LineCount()
	return s
}

// describes reports whether the file has its package's comment.
func (s source) describes(p pkg) bool {
	want := "Package " + s.Name.Name + " "
	if s.Name.Name == "main" {
		want = "Command " + p.name()[strings.LastIndexByte(p.name(), '/')+1:] + " "
	}
	return s.Doc != nil && strings.HasPrefix(s.Doc.Text(), want)
}

func (s source) check(t *testing.T) {
	t.Helper()
	if _, excused := long[s.path]; s.lines > maxFile && !excused && !ast.IsGenerated(s.File) {
		t.Errorf("%s has %d lines, more than %d", s.path, s.lines, maxFile)
	}
	for _, d := range s.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if f.Recv == nil && f.Name.Name == "init" {
			t.Errorf("%s: no init: who needs something is given it", s.set.Position(f.Pos()))
		}
		if n := s.span(f) - s.tables(f); n > maxFunc {
			t.Errorf("%s: %s has %d lines, more than %d", s.set.Position(f.Pos()), f.Name.Name, n, maxFunc)
		}
	}
}

// span is how many lines a node has.
func (s source) span(n ast.Node) int {
	return s.set.Position(n.End()).Line - s.set.Position(n.Pos()).Line + 1
}

// tables are the lines between the braces of a test's literals: a table of cases is read by the line, not as a whole.
func (s source) tables(f *ast.FuncDecl) (lines int) {
	if !s.test {
		return 0
	}
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if ok {
			lines += max(s.span(lit)-2, 0)
		}
		return !ok
	})
	return lines
}

func (s source) imports(path string) bool {
	return slices.ContainsFunc(s.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"`+path+`"` })
}

// uses complains about each use of a package's functions.
func (s source) uses(t *testing.T, pkg string, names ...string) {
	t.Helper()
	ast.Inspect(s.File, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == pkg && x.Obj == nil && slices.Contains(names, sel.Sel.Name) {
			t.Errorf("%s: %s.%s is not for here", s.set.Position(sel.Pos()), pkg, sel.Sel.Name)
		}
		return true
	})
}
