package imap_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	listdimap "listd/imap"
)

// dovecot is a private server of Dovecot's, with one user.
type dovecot struct {
	dir, addr string
	uid, gid  int
}

// dovecotConf has all run as one account that is not root's, and everything below one folder.
const dovecotConf = `
protocols = imap
listen = 127.0.0.1
base_dir = %[1]s/run
log_path = %[1]s/log
mail_location = maildir:%[1]s/mail
default_internal_user = %[2]s
default_internal_group = %[3]s
default_login_user = %[2]s
first_valid_uid = 1
first_valid_gid = 1
ssl = no
disable_plaintext_auth = no
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=%[2]s gid=%[3]s home=%[1]s
}
service imap-login {
  chroot =
  process_min_avail = 1
  inet_listener imap {
    port = %[4]d
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
`

// dovecotGuard runs the server for as long as its standard input is open: when the test process ends, however it ends,
// so does the server.
const dovecotGuard = `trap '' INT TERM HUP
"$1" -F -c "$2" </dev/null &
read -r nothing
kill -TERM $!
wait $!`

// newDovecot starts a server from the machine's own binary, and stops it when the test ends. It skips the test where
// there is none.
func newDovecot(t testing.TB) *dovecot {
	t.Helper()
	program, err := exec.LookPath("dovecot")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/dovecot"); err != nil {
			t.Skip("Dovecot is not installed: put its dovecot on the PATH, or install your system's package dovecot-imapd")
		}
	}
	d := &dovecot{uid: os.Getuid(), gid: os.Getgid()}
	if d.dir, err = os.MkdirTemp("", "listd-dovecot-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(d.dir); err != nil {
			t.Error(err)
		}
	})
	if d.uid == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		d.uid, d.gid = number(t, nobody.Uid), number(t, nobody.Gid)
	}
	for _, dir := range []string{"", "run", "mail", "mail/cur", "mail/new", "mail/tmp"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(d.dir, dir), 0o755), os.Chown(filepath.Join(d.dir, dir), d.uid, d.gid)); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 { // somebody may take the port before Dovecot does
		if d.start(t, program) {
			return d
		}
	}
	log, _ := os.ReadFile(filepath.Join(d.dir, "log")) // what there is of it explains
	t.Fatalf("Dovecot does not start:\n%s", log)
	return nil
}

func number(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// start runs the server on a port that is free just now, and reports whether it greets there.
func (d *dovecot) start(t testing.TB, program string) bool {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	u, err1 := user.LookupId(strconv.Itoa(d.uid))
	g, err2 := user.LookupGroupId(strconv.Itoa(d.gid))
	conf := filepath.Join(d.dir, "dovecot.conf")
	if err := errors.Join(l.Close(), err1, err2); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, fmt.Appendf(nil, dovecotConf, d.dir, u.Username, g.Name, port), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", dovecotGuard, "sh", program, conf)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(d.uid), Gid: uint32(d.gid)}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ends is of no interest
	}()
	stop := func() {
		_ = in.Close() // it may have ended
		<-ended
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		if d.greets() {
			t.Cleanup(stop)
			return true
		}
		select {
		case <-ended:
			return false
		case <-late:
			stop()
			return false
		case <-tick.C:
		}
	}
}

func (d *dovecot) greets() bool {
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		return false
	}
	defer c.Close()
	b := make([]byte, 4)
	_, err = c.Read(b)
	return err == nil && string(b) == "* OK"
}

// put delivers a message as a mail server does.
func (d *dovecot) put(t testing.TB, name, message string) {
	t.Helper()
	tmp := filepath.Join(d.dir, "mail", "tmp", name)
	if err := errors.Join(os.WriteFile(tmp, []byte(message), 0o644), os.Chown(tmp, d.uid, d.gid),
		os.Rename(tmp, filepath.Join(d.dir, "mail", "new", name))); err != nil {
		t.Fatal(err)
	}
}

func (d *dovecot) account(done listdimap.Done) listdimap.Account {
	return listdimap.Account{Name: "group", Addr: d.addr, Clear: true, User: "group", Password: func() (string, error) { return "secret", nil },
		Folder: "INBOX", List: address("dev@lists.test"), Done: done, To: "listd", Poll: time.Minute}
}

// TestDovecot has 200 messages fetched from a real server, over cuts, stops and restarts: each is taken once.
func TestDovecot(t *testing.T) {
	t.Parallel()
	for name, done := range map[string]listdimap.Done{"flag": listdimap.Flag, "move": listdimap.Move, "delete": listdimap.Delete} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := newPollSite(t), newDovecot(t)
			a := d.account(done)
			const n = 200
			var want, flagged []string
			put := func(upto int) {
				for len(want) < upto {
					subject := fmt.Sprintf("m%03d", len(want))
					want, flagged = append(want, subject), append(flagged, subject+` $listd \seen`)
					d.put(t, subject, message(subject))
				}
			}
			put(n / 2)
			runUntilTaken(t, s, a, n/2)
			put(n)
			runUntilTaken(t, s, a, n)
			fetch(t, s.poller(), a)
			wantTaken(t, s, want)
			switch done {
			case listdimap.Flag:
				wantFolder(t, a, "INBOX", flagged...)
			case listdimap.Move:
				wantFolder(t, a, "INBOX")
				wantFolder(t, a, "listd", want...)
			case listdimap.Delete:
				wantFolder(t, a, "INBOX")
			}
			box, err := s.ledger.Mailbox(t.Context(), "group")
			if err != nil || len(box.Unsettled) != 0 || box.UID < n {
				t.Errorf("the ledger has %+v, %v", box, err)
			}
		})
	}
}
