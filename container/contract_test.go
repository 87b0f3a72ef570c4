package container_test

import (
	"testing"

	zdd "zdd/container"
	"zdd/container/dockertest"
	"zdd/container/testdata/probe"
)

// contract is what every engine must do, the real one and the fake: whatever
// another package's tests rely on is here, so that the fake cannot lie.
var contract = []struct {
	name string
	test func(t *testing.T, w *world)
}{
	{"resolves an image by tag and by ID", resolvesByTagAndID},
	{"knows no image of an unknown name", knowsNoUnknownImage},
	{"pulls what is missing", pullsWhatIsMissing},
	{"tells an unknown image from a broken download", tellsPullFailures},
	{"tags and untags", tagsAndUntags},
	{"keeps the last name of an image in use", keepsTheLastNameInUse},
	{"makes the network once", makesTheNetworkOnce},
	{"refuses a subnet that is taken", refusesATakenSubnet},
	{"keeps a network that is in use", keepsANetworkInUse},
	{"starts replicas at their addresses", startsReplicas},
	{"lists by app, release and state", listsByFilter},
	{"shows a root only its own", showsOnlyItsOwn},
	{"stops and starts again at the same address", stopsAndRestarts},
	{"does not restart what is not the same", refusesOtherRestarts},
	{"removes twice", removesTwice},
	{"leaves nothing when an address is taken", leavesNothingOnTakenAddress},
	{"refuses a name of another root", refusesForeignName},
	{"replaces a stopped leftover, not a running one", replacesLeftover},
	{"reports an exit", reportsExit},
	{"reports an exit from before", reportsEarlierExit},
	{"reports a removal", reportsRemoval},
	{"brings back a promoted instance and reports it", bringsBackPromoted},
	{"kills what ignores its stop signal", killsStubborn},
	{"gives the last lines of the log in order", givesLastLines},
	{"runs a command once", runsOnce},
	{"reports a command's failure", reportsCommandFailure},
	{"stops a cancelled command", stopsCancelledCommand},
	{"tells an image's health check and shell", tellsHealthcheck},
	{"reads files of an image", readsFiles},
	{"follows links inside an image", followsLinks},
	{"cuts a file that is too long", cutsLongFiles},
	{"reads no image that is not there", readsNoUnknownImage},
	{"reads beside a leftover", readsBesideALeftover},
	{"leaves nothing when reading is cancelled", leavesNothingOfCancelledReading},
	{"tells since when an instance runs", tellsSinceWhen},
	{"tells where an instance listens", tellsListeners},
	{"runs a command in an instance", runsInInstance},
	{"knows a command that is not there", knowsNoCommand},
	{"kills a cancelled command in an instance", killsCancelledExec},
	{"runs nothing in an instance that ended", runsNothingInEnded},
	{"reports an exit during a command", reportsExitDuringExec},
	{"takes output that nobody wants", takesUnwantedOutput},
}

func TestContract_onTheRealEngine(t *testing.T) {
	w := realWorld(t)
	for _, clause := range contract {
		t.Run(clause.name, func(t *testing.T) {
			t.Parallel()
			clause.test(t, w)
		})
	}
}

func TestContract_onTheFake(t *testing.T) {
	w := fakeWorld(t)
	t.Run("all", func(t *testing.T) { // ends before the fake does
		for _, clause := range contract {
			t.Run(clause.name, func(t *testing.T) {
				t.Parallel()
				clause.test(t, w)
			})
		}
	})
}

// fakeWorld is the same world without a daemon.
func fakeWorld(t *testing.T) *world {
	t.Helper()
	fake := dockertest.New(t, func(p dockertest.Process) int {
		return probe.Run(p.Term, p.Kill, p.Address.String(), p.Args, p.Env, p.Stdout, p.Stderr)
	})
	image := dockertest.Image{Ports: []string{"5000/tcp", "5001/udp"}, Labels: map[string]string{"zdd.task": "release"}}
	w := &world{
		config: zdd.Config{Root: "/srv/" + unique("fake"), Host: fake.Host(), Proc: fake.Proc()},
		tag:    unique("zdd-probe") + ":1",
		registry: func(t *testing.T) (good, unknown, torn string) {
			name := "registry.example/" + unique("app")
			fake.AddRemote(name+":v1", dockertest.Image{Ports: []string{"8080/tcp"}})
			fake.BreakPull(name+":torn", "unexpected EOF")
			return name + ":v1", name + ":v9", name + ":torn"
		},
	}
	w.image = fake.AddImage(w.tag, image)
	w.add = func(_ *testing.T, image dockertest.Image) string { return fake.AddImage(unique("added")+":1", image) }
	fake.OnExec(func(p dockertest.Process) int {
		if p.Args[0] != "/probe" {
			return dockertest.NoCommand
		}
		return probe.Run(p.Kill, p.Kill, p.Address.String(), p.Args[1:], p.Env, p.Stdout, p.Stderr)
	})
	engine, err := zdd.Connect(t.Context(), w.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	w.engine = engine
	if w.network, _, err = engine.EnsureNetwork(t.Context(), dockertest.Subnet(t)); err != nil {
		t.Fatal(err)
	}
	w.next = firstAddress(w.network)
	return w
}
