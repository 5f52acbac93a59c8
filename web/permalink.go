package web

import (
	"errors"
	"net/http"

	"listd/archive"
	"listd/lists"
)

// byHash leads from the hash of a Message-ID to its post, in whichever archive the reader may read. A hash that is in none
// of those is as unknown as one that is nowhere.
func (s *Site) byHash(w http.ResponseWriter, r *http.Request) {
	if s.Library == nil {
		s.closed(w, r, archive.ErrNoPost)
		return
	}
	a, seq, err := s.Library.ByHash(r.Context(), s.reader(r), r.PathValue("hash"))
	if err != nil {
		s.closed(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "private, no-cache")
	http.Redirect(w, r, listPath(a.List)+seqText(seq), http.StatusFound) // which archive it is depends on who asks
}

// byHash leads from the hash of a Message-ID to its post in this archive: what Archived-At links to.
func (v *visit) byHash(hash string) {
	seq, err := v.a.ByHash(v.r.Context(), hash)
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	v.w.Header().Set("Cache-Control", "private, no-cache")
	http.Redirect(v.w, v.r, v.path+seqText(seq), http.StatusFound)
}

// elsewhere leads from the page of an archive of before to where its post is now.
func (s *Site) elsewhere(w http.ResponseWriter, r *http.Request) {
	if s.Library != nil && len(r.URL.Path) <= 500 {
		l, seq, err := s.Library.Moved(r.Context(), r.URL.Path)
		if err == nil {
			http.Redirect(w, r, listPath(l)+seqText(seq), http.StatusMovedPermanently)
			return
		}
		if !errors.Is(err, archive.ErrNoPost) {
			s.fail(w, r, err)
			return
		}
	}
	s.say(w, r, http.StatusNotFound, "No such page", "There is nothing at this address.", "The front page leads to all there is.")
}

// hyperkitty leads from where HyperKitty, Mailman 3's archive, had a message or a thread.
func (s *Site) hyperkitty(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	if kind != "message" && kind != "thread" {
		s.closed(w, r, archive.ErrNoPost)
		return
	}
	v, ok := s.enter(w, r, r.PathValue("list"))
	if !ok {
		return
	}
	seq, err := v.a.ByHash(r.Context(), r.PathValue("hash"))
	if err != nil {
		v.closed(w, r, err)
		return
	}
	to := v.path + seqText(seq)
	if kind == "thread" {
		t, _, _, err := v.a.Thread(r.Context(), seq, 1)
		if err != nil {
			v.closed(w, r, err)
			return
		}
		to = v.path + "t/" + seqText(t.First) + "/"
	}
	http.Redirect(w, r, to, http.StatusMovedPermanently)
}

func (s *Site) hyperkittyList(w http.ResponseWriter, r *http.Request) {
	if v, ok := s.enter(w, r, r.PathValue("list")); ok {
		http.Redirect(w, r, v.path, http.StatusMovedPermanently)
	}
}

// public reports whether what this visit shows is what everybody may see.
func (v *visit) public() bool {
	return v.a.List.Policy.Archive == lists.ArchivePublic && v.a.Reader.Stranger()
}
