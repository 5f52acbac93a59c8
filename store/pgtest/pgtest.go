// Package pgtest gives tests a PostgreSQL of their own: one private server for a test binary, one new database for each
// test. The server is started from the machine's own binaries at the first use, in a temporary folder, and listens on a
// socket there and nowhere else.
//
// Enter with URL; a TestMain that calls Main waits until the server has ended and its folder is gone. Where there are
// no binaries a test that asks for a URL is skipped.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// M is what runs tests: *testing.M is one.
type M interface{ Run() int }

// Main runs all tests, stops the server they have started, and exits.
func Main(m *testing.M) { os.Exit(Wrap(m).Run()) }

// Wrap is m whose Run stops the server afterwards, for a TestMain that has a Main of its own to call.
func Wrap(m M) M { return stopper{m} }

type stopper struct{ m M }

func (s stopper) Run() int {
	code := s.m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest: stopping PostgreSQL:", err)
		code = max(code, 1)
	}
	return code
}

// URL is the URL of a new and empty database, which is dropped when the test ends. It skips the test where PostgreSQL is
// not installed.
func URL(t testing.TB) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.need(t)
	return shared.create(t, "template1")
}

// Copy is the URL of a new database like one that prepare has filled, the first time it was asked for by that name. prepare
// leaves no connection behind.
func Copy(t testing.TB, name string, prepare func(url string) error) string {
	t.Helper()
	s := &shared
	s.mu.Lock()
	defer s.mu.Unlock()
	s.need(t)
	if !slices.Contains(s.templates, name) {
		if _, err := s.admin.Exec(t.Context(), `CREATE DATABASE `+name); err != nil {
			t.Fatalf("create a database: %v", err)
		}
		if err := prepare(s.url(name)); err != nil {
			t.Fatal(err)
		}
		s.templates = append(s.templates, name)
	}
	return s.create(t, name)
}

// need starts the server, if nobody has.
func (s *server) need(t testing.TB) {
	t.Helper()
	if s.admin == nil && s.err == nil {
		s.err = s.start()
	}
	if errors.Is(s.err, errMissing) {
		t.Skip(s.err)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
}

// create makes a database for a test.
func (s *server) create(t testing.TB, template string) string {
	t.Helper()
	s.databases++
	name := "test" + strconv.Itoa(s.databases)
	if _, err := s.admin.Exec(t.Context(), `CREATE DATABASE `+name+` TEMPLATE `+template); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, err := s.admin.Exec(context.Background(), `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return s.url(name)
}

var errMissing = errors.New("PostgreSQL is not installed: put its initdb and postgres on the PATH, or install your system's package postgresql")

// shared is the process's one server: to start one for each test would cost a second each.
var shared server

type server struct {
	mu        sync.Mutex
	err       error // starting it
	dir       string
	admin     *pgx.Conn
	guard     *exec.Cmd
	guardIn   io.Closer // closed: the guard stops the server
	databases int
	templates []string // of Copy
}

func (s *server) url(database string) string {
	return "postgres://listd@/" + database + "?" + url.Values{"host": {s.dir}}.Encode()
}

// guard runs the server for as long as its standard input is open: when the test process ends, however it ends, the
// server is stopped and the folder removed.
const guard = `trap '' INT TERM HUP
"$1" -D "$2/data" -c listen_addresses= -c unix_socket_directories="$2" -c max_connections=400 -c shared_buffers=64MB \
	-c fsync=off -c full_page_writes=off -c autovacuum=off -c timezone=UTC </dev/null &
read -r nothing
kill -INT $!
wait $!
rm -rf "$2"`

// start makes a cluster and starts its server.
func (s *server) start() error {
	initdb, postgres, err := binaries()
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "listd-pg-"); err != nil {
		return err
	}
	who, err := account(s.dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	// The collation of C makes runs alike on every machine; nothing is synced, since nothing is to be kept.
	mk := exec.Command(initdb, "-D", filepath.Join(s.dir, "data"), "-U", "listd", "-A", "trust", "-E", "UTF8", "--locale=C", "-N", "--no-instructions")
	mk.SysProcAttr, mk.Dir = who, s.dir
	if out, err := mk.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), os.RemoveAll(s.dir))
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	defer log.Close()
	s.guard = exec.Command("sh", "-c", guard, "sh", postgres, s.dir)
	s.guard.SysProcAttr, s.guard.Dir, s.guard.Stdout, s.guard.Stderr = who, s.dir, log, log
	in, err := s.guard.StdinPipe()
	if err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.guard.Start(); err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	s.guardIn = in
	if s.admin, err = s.connect(); err != nil {
		text, _ := os.ReadFile(log.Name()) // what there is of it explains err
		return errors.Join(fmt.Errorf("PostgreSQL does not start: %w\n%s", err, text), s.end())
	}
	return nil
}

// connect waits until the server answers.
func (s *server) connect() (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-again.C:
		}
	}
}

func (s *server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admin == nil {
		return nil
	}
	err := s.admin.Close(context.Background())
	s.admin, s.err = nil, errors.New("PostgreSQL has been stopped")
	return errors.Join(err, s.end())
}

// end has the guard stop the server, and waits for it.
func (s *server) end() error { return errors.Join(s.guardIn.Close(), s.guard.Wait()) }

// binaries finds the programs on the PATH, or the newest that Debian keeps off it.
func binaries() (initdb, postgres string, err error) {
	initdb, err1 := exec.LookPath("initdb")
	postgres, err2 := exec.LookPath("postgres")
	if err1 == nil && err2 == nil {
		return initdb, postgres, nil
	}
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		initdb, err1 = exec.LookPath(filepath.Join(dir, "initdb"))
		postgres, err2 = exec.LookPath(filepath.Join(dir, "postgres"))
		if err1 == nil && err2 == nil {
			return initdb, postgres, nil
		}
	}
	return "", "", errMissing
}

// version is 15 for /usr/lib/postgresql/15/bin, 0 for what is no number.
func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

// account is whom the server runs as, and makes dir theirs: PostgreSQL refuses to run as root. Its process group is its
// own, so that a Ctrl-C at the terminal reaches the tests only, and the guard tidies up after them.
func account(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("PostgreSQL refuses to run as root: %w", err)
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}
