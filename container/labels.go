package container

import (
	"fmt"
	"strconv"

	"github.com/docker/docker/api/types/filters"
)

// The labels of everything that zdd makes on an engine. A container or a
// network without labelRoot is never touched.
const (
	labelRoot    = "zdd.root"    // the data folder it belongs to
	labelApp     = "zdd.app"     // name of the app
	labelRelease = "zdd.release" // number of the release
	labelSlot    = "zdd.slot"    // blue or green
	labelReplica = "zdd.replica" // from 1
	labelTask    = "zdd.task"    // "release" on a one-off container, "" on an instance
)

// taskRelease is the value of labelTask on every one-off container, whether it
// is for a release command or for reading an image.
const taskRelease = "release"

// containerName is unique in a root: the last two numbers cannot be mistaken
// for a part of the app's name, even where that ends in a number itself.
func containerName(app string, release, replica int) string {
	return fmt.Sprintf("zdd-%s-%d-%d", app, release, replica)
}

func taskName(app string, release int) string {
	return fmt.Sprintf("zdd-%s-%d-%s", app, release, taskRelease)
}

// readerName is that of the container of which ReadFiles reads.
func readerName(app string, release int) string {
	return fmt.Sprintf("zdd-%s-%d-files", app, release)
}

// labels are for an instance of a release. Each label is set, because an image
// can carry labels too and a container inherits those that are not.
func (e *Engine) labels(spec Spec, replica int) map[string]string {
	return map[string]string{
		labelRoot:    e.root,
		labelApp:     spec.App,
		labelRelease: strconv.Itoa(spec.Release),
		labelSlot:    spec.Slot,
		labelReplica: strconv.Itoa(replica),
		labelTask:    "",
	}
}

func (e *Engine) taskLabels(spec Spec) map[string]string {
	labels := e.labels(spec, 0)
	labels[labelTask] = taskRelease
	return labels
}

// ours filters by the root and by further "label=value" pairs.
func (e *Engine) ours(pairs ...string) filters.Args {
	args := filters.NewArgs(filters.Arg("label", labelRoot+"="+e.root))
	for _, pair := range pairs {
		args.Add("label", pair)
	}
	return args
}
