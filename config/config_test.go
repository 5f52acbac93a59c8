package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"listd/config"
)

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct{ flag, env, want string }{
		{"a.toml", "b.toml", "a.toml"},
		{"", "b.toml", "b.toml"},
	} {
		if got, err := config.Find(c.flag, c.env); got != c.want || err != nil {
			t.Errorf("Find(%q, %q) = %q, %v; want %q", c.flag, c.env, got, err, c.want)
		}
	}
	if _, err := os.Stat("/etc/listd/listd.toml"); err != nil {
		if got, err := config.Find("", ""); err == nil || !strings.Contains(err.Error(), "listd init") {
			t.Errorf("with no file, Find = %q, %v; want an error that names listd init", got, err)
		}
	}
	write(t, "listd.toml", "")
	if got, err := config.Find("", ""); got != "listd.toml" || err != nil {
		t.Errorf("Find = %q, %v; want listd.toml", got, err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "listd.toml")
	write(t, path, `hostname = "Lists.Example.ORG."
[smtp]
lmtp = ["127.0.0.1:24", "unix:lmtp.sock", "unix:/run/l.sock"]
max_message_size = "1MiB"
memory = 33554432
[delivery]
relay = "127.0.0.1:2525"
relay_user = "u"
relay_password_file = "secret"
give_up_after = "1d12h"
[tls]
cert = "tls/cert.pem"
key = "/etc/key.pem"
`)
	write(t, filepath.Join(dir, "secret"), "s3 cret \r\n")
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Hostname = "lists.example.org"
	want.Database = filepath.Join(dir, "listd.db")
	want.SMTP.LMTP = []string{"127.0.0.1:24", "unix:" + filepath.Join(dir, "lmtp.sock"), "unix:/run/l.sock"}
	want.SMTP.MaxMessageSize, want.SMTP.Memory = 1<<20, 32<<20
	want.Delivery.Relay, want.Delivery.RelayUser = "127.0.0.1:2525", "u"
	want.Delivery.RelayPasswordFile = filepath.Join(dir, "secret")
	want.Delivery.GiveUpAfter = config.Duration(36 * 3600e9)
	want.TLS = config.TLS{Cert: filepath.Join(dir, "tls/cert.pem"), Key: "/etc/key.pem"}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("Load:\n%+v\nwant\n%+v", c, want)
	}
	if got, err := c.Delivery.Password(); got != "s3 cret " || err != nil {
		t.Errorf("Password = %q, %v", got, err)
	}
}

func TestLoadFromAnotherFolder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "listd.toml", `hostname = "lists.test"`)
	c, err := config.Load("listd.toml")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "listd.db"); !filepath.IsAbs(c.Database) || filepath.Base(c.Database) != filepath.Base(want) {
		t.Errorf("the database is %q, want %q", c.Database, want)
	}
}

func TestLoadTellsEverythingAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "listd.toml")
	write(t, path, "hostname = \"lists.test\"\n\n[smtp]\nlisen = []\nmax_errors = 0\nmemory = true\n")
	_, err := config.Load(path)
	want := path + `:
line 4: unknown key smtp.lisen; did you mean smtp.listen?
line 6: smtp.memory: "true": want a size such as 500KiB or 25MiB, at most 1024GiB
smtp.max_errors = 0: want 1 to 1000`
	if err == nil || err.Error() != want {
		t.Errorf("Load:\n%v\nwant\n%s", err, want)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "listd.toml")
	if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), "listd init") || !strings.Contains(err.Error(), path) {
		t.Errorf("a missing file: %v; want the path and listd init", err)
	}
	if _, err := config.Load(dir); err == nil {
		t.Error("a folder was loaded")
	}
	write(t, path, "hostname = lists.test\n")
	if _, err := config.Load(path); err == nil || !strings.HasPrefix(err.Error(), path+": line 1: ") {
		t.Errorf("a value without quotes: %v; want its line", err)
	}
}

func TestPassword(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, "\n")
	for _, file := range []string{empty, empty + ".missing"} {
		_, err := config.Delivery{RelayPasswordFile: file}.Password()
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "write the password") {
			t.Errorf("Password of %s: %v; want the path and what to do", file, err)
		}
	}
	if p, err := (config.Delivery{}).Password(); p != "" || err != nil {
		t.Errorf("Password without a file = %q, %v", p, err)
	}
}

func TestListener(t *testing.T) {
	for in, want := range map[string][2]string{
		":25":          {"tcp", ":25"},
		"unix:/a.sock": {"unix", "/a.sock"},
	} {
		if network, addr := config.Listener(in); network != want[0] || addr != want[1] {
			t.Errorf("Listener(%q) = %q, %q; want %q", in, network, addr, want)
		}
	}
}

func TestLogLevel(t *testing.T) {
	for in, want := range map[config.LogLevel]slog.Level{
		config.Debug: slog.LevelDebug, config.Info: slog.LevelInfo, config.Warn: slog.LevelWarn, config.Error: slog.LevelError,
		"": slog.LevelInfo, "loud": slog.LevelInfo,
	} {
		if got := in.Level(); got != want {
			t.Errorf("%q.Level() = %v, want %v", in, got, want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
