package dockertest

import (
	"archive/tar"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// maxLinks is where the engine takes links for a loop.
const maxLinks = 255

// Why a path leads to nothing, besides fs.ErrNotExist.
var (
	errLoop   = errors.New("evalSymlinksInScope: too many links")
	errNoPath = errors.New("not a directory")
)

// archive sends what is at a path of a container: that of its image, for what
// a Program writes is not kept.
func (e *Engine) archive(w http.ResponseWriter, r *http.Request) {
	c := e.get(w, r)
	if c == nil {
		return
	}
	e.mu.Lock()
	image := e.meta[c.config.Image]
	e.mu.Unlock()
	name := r.URL.Query().Get("path")
	header, err := image.lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		refuse(w, http.StatusNotFound, "Could not find the file "+name+" in container "+r.PathValue("id"))
		return
	case err != nil:
		refuse(w, http.StatusInternalServerError, "lstat "+name+": "+err.Error())
		return
	}
	stat := container.PathStat{Name: header.Name, Size: header.Size, Mode: header.FileInfo().Mode(), LinkTarget: header.Linkname}
	encoded, _ := json.Marshal(stat)
	w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(encoded))
	w.Header().Set("Content-Type", "application/x-tar")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	content := tar.NewWriter(w)
	if content.WriteHeader(header) == nil && header.Typeflag == tar.TypeReg {
		_, _ = io.WriteString(content, image.Files[image.locate(name)])
	}
	_ = content.Close()
}

// lstat describes what is at a path; the target of a link is where it leads in
// the end, as far as that is there.
func (i Image) lstat(name string) (*tar.Header, error) {
	parent, err := i.follow(path.Dir(path.Clean("/" + name)))
	if err != nil {
		return nil, err
	}
	for dir := parent; dir != "/"; dir = path.Dir(dir) {
		if _, file := i.Files[dir]; file {
			return nil, errNoPath
		}
	}
	found := path.Join(parent, path.Base(path.Clean("/"+name)))
	header := &tar.Header{Name: path.Base(found), Mode: 0o644, Typeflag: tar.TypeReg}
	if content, file := i.Files[found]; file {
		header.Size = int64(len(content))
		return header, nil
	}
	if _, link := i.Links[found]; link {
		header.Typeflag = tar.TypeSymlink
		header.Linkname, err = i.follow(found)
		return header, err
	}
	if !i.hasFolder(found) {
		return nil, fs.ErrNotExist
	}
	header.Typeflag, header.Mode = tar.TypeDir, 0o755
	return header, nil
}

// locate is a path without links before its last part.
func (i Image) locate(name string) string {
	clean := path.Clean("/" + name)
	parent, _ := i.follow(path.Dir(clean))
	return path.Join(parent, path.Base(clean))
}

// follow resolves each link of a path, and never leaves the image.
func (i Image) follow(name string) (string, error) {
	resolved, rest, links := "/", name, 0
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		next := path.Join(resolved, part)
		target, link := i.Links[next]
		if !link {
			resolved = next
			continue
		}
		if links++; links > maxLinks {
			return "", errLoop
		}
		if path.IsAbs(target) {
			resolved = "/"
		}
		rest = target + "/" + rest
	}
	return resolved, nil
}

// hasFolder says whether something is below the path, or the engine makes it.
func (i Image) hasFolder(name string) bool {
	within := func(file string) bool { return name == "/" || strings.HasPrefix(file, name+"/") }
	for file := range i.Files {
		if within(file) {
			return true
		}
	}
	for link := range i.Links {
		if within(link) {
			return true
		}
	}
	return name == "/" || within(i.WorkingDir+"/")
}
