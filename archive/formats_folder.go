package archive

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReadMaildir reads the mails of cur and new, and with ReadOptions.Folders those of Maildir++ folders such as ".2004",
// in the order in which they were delivered. Offsets count the bytes of all files in this order. What is true of errors
// is as for ReadOld, but that a file which cannot be read is skipped; other errors say that this is no Maildir.
func ReadMaildir(fsys fs.FS, o ReadOptions) iter.Seq2[Old, error] {
	return func(yield func(Old, error) bool) {
		mails, err := maildir(fsys, o.Folders)
		if err != nil {
			yield(Old{}, err)
			return
		}
		o.Format = EML
		c := newCollection(o)
		for _, d := range mails {
			c.received, c.odd = d.at, d.flagged()
			if !c.file(fsys, d.path, yield) {
				return
			}
		}
	}
}

// file yields the messages of a file of a folder. It is false when no more are wanted.
func (c *collection) file(fsys fs.FS, name string, yield func(Old, error) bool) bool {
	skip := func(err error) bool {
		old := Old{Place: name, Offset: c.base}
		return yield(old, &SkipError{Place: name, Why: strings.TrimPrefix(err.Error(), name+": ")})
	}
	f, err := fsys.Open(name)
	if err != nil {
		return skip(err)
	}
	more, err := c.read(name, f, yield)
	// What is only read loses nothing when it is closed.
	if _ = f.Close(); more && err != nil {
		return skip(err)
	}
	return more
}

// delivered is a mail of a Maildir.
type delivered struct {
	path   string
	at     time.Time // to the microsecond where its name tells; zero if it tells nothing
	micros int64
}

// maildir lists the mails of a Maildir in order of delivery.
func maildir(fsys fs.FS, folders bool) (out []delivered, err error) {
	dirs := []string{"."}
	if folders {
		entries, err := fs.ReadDir(fsys, ".")
		if err != nil {
			return nil, fmt.Errorf("read Maildir: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), ".") {
				dirs = append(dirs, e.Name())
			}
		}
	}
	found := false
	for _, dir := range dirs {
		for _, sub := range []string{"cur", "new"} { // what is in tmp has not been delivered
			entries, err := fs.ReadDir(fsys, path.Join(dir, sub))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read Maildir: %w", err)
			}
			found = true
			for _, e := range entries {
				if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
					out = append(out, delivery(path.Join(dir, sub, e.Name())))
				}
			}
		}
	}
	if !found {
		return nil, errors.New("this is no Maildir: expected folders cur and new")
	}
	slices.SortFunc(out, func(a, b delivered) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.micros, b.micros), strings.Compare(a.path, b.path))
	})
	return out, nil
}

// delivery reads a name such as 1078401600.M123P456.host:2,S: the second it was delivered, and the microsecond in it.
func delivery(name string) delivered {
	d := delivered{path: name}
	second, unique, ok := strings.Cut(path.Base(name), ".")
	n, err := strconv.ParseInt(second, 10, 64)
	if !ok || err != nil || n <= 0 || n > 1<<36 {
		return d
	}
	d.at = time.Unix(n, 0).UTC()
	if rest, ok := strings.CutPrefix(unique, "M"); ok {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		d.micros, _ = strconv.ParseInt(rest[:max(end, 0)], 10, 64) // 0 where it has none
	}
	return d
}

// flagged notes what a name says against a mail: T, it was thrown away; D, it is a draft.
func (d delivered) flagged() (odd []string) {
	for _, info := range []string{":2,", ";2,", "!2,"} { // the others where names must have no colon
		_, flags, _ := strings.Cut(path.Base(d.path), info)
		if strings.Contains(flags, "T") {
			odd = append(odd, "marked as thrown away")
		}
		if strings.Contains(flags, "D") {
			odd = append(odd, "marked as a draft")
		}
	}
	return odd
}

// maxFolders bounds how deep folders lie in each other.
const maxFolders = 20

// ReadFolder reads the files of a folder and of the folders in it: MH's, whose names are numbers, in the order of these;
// .eml and mbox files, compressed or not, in that of their names. Offsets count the bytes of all files in this order.
// Files that are no mail, or cannot be read, are skipped as for ReadOld; hidden ones are not looked at.
func ReadFolder(fsys fs.FS, o ReadOptions) iter.Seq2[Old, error] {
	return func(yield func(Old, error) bool) {
		c := newCollection(o)
		format := o.Format
		more, err := walk(fsys, ".", 0, func(name string) bool {
			if c.o.Format = format; format == AnyFormat && single(path.Base(name)) {
				c.o.Format = EML
			}
			return c.file(fsys, name, yield)
		})
		if more && err != nil {
			yield(Old{Offset: c.base}, fmt.Errorf("read folder: %w", err))
		}
	}
}

// ReadZip reads what is in a zip archive as ReadFolder does: groups.io exports an mbox so. The size is in bytes.
func ReadZip(name string, r io.ReaderAt, size int64, o ReadOptions) iter.Seq2[Old, error] {
	return func(yield func(Old, error) bool) {
		z, err := zip.NewReader(r, size)
		if err != nil {
			yield(Old{Place: name}, fmt.Errorf("%s: a broken zip archive: %w", name, err))
			return
		}
		for old, err := range ReadFolder(z, o) {
			old.Place = name + "/" + old.Place
			if !yield(old, err) {
				return
			}
		}
	}
}

// single reports whether a name is that of one message: MH's numbers, or .eml.
func single(name string) bool {
	return number(name) > 0 || strings.HasSuffix(strings.TrimSuffix(strings.ToLower(name), ".gz"), ".eml")
}

// number is the number of an MH file, 0 if it is none.
func number(name string) int {
	n, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// walk visits the files below a folder, numbers before names.
func walk(fsys fs.FS, dir string, deep int, visit func(name string) bool) (more bool, err error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return true, err
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		m, n := number(a.Name()), number(b.Name())
		if m > 0 && n > 0 {
			return cmp.Compare(m, n)
		}
		return cmp.Compare(n, m)
	})
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."), strings.HasPrefix(e.Name(), ","), e.Name() == "__MACOSX": // "," is MH's sign of deletion
		case e.IsDir() && deep < maxFolders:
			if more, err := walk(fsys, name, deep+1, visit); !more || err != nil {
				return more, err
			}
		case e.Type().IsRegular():
			if !visit(name) {
				return false, nil
			}
		}
	}
	return true, nil
}
