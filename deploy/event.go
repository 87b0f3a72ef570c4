package deploy

import "time"

// Step names a step of the pipeline, in events, errors and history alike.
type Step string

// The steps, in the order in which they happen.
const (
	StepLock           Step = "lock"
	StepRecover        Step = "recover"
	StepResolve        Step = "resolve"
	StepPreDeploy      Step = "pre-deploy"
	StepReleaseCommand Step = "release-command"
	StepStart          Step = "start"
	StepCheck          Step = "check"
	StepSite           Step = "site"
	StepSwitch         Step = "switch"
	StepVerify         Step = "verify"
	StepCommit         Step = "commit"
	StepDrain          Step = "drain"
	StepRetire         Step = "retire"
	StepPostDeploy     Step = "post-deploy"
	StepUndo           Step = "undo"
	StepDeployFailed   Step = "deploy-failed"
)

// Status says how far a step is.
type Status string

// The statuses of an event.
const (
	Started Status = "started"
	Done    Status = "done"
	Failed  Status = "failed"
	Warning Status = "warning"
)

// Event is one line of what a command did: the same value feeds the lines for
// people and the objects of --json.
type Event struct {
	Time    time.Time `json:"time"`
	App     string    `json:"app"`
	Release int       `json:"release,omitempty"`
	Step    Step      `json:"step"`
	Status  Status    `json:"status"`
	Detail  string    `json:"detail,omitempty"`
	// Seconds is how long the step took; zero when it starts.
	Seconds float64 `json:"seconds"`
	// Outcome is set on the last event of a command alone, whose step is the
	// command's name.
	*Outcome
}

// Outcome is what a pipeline needs to know in the end.
type Outcome struct {
	// Serving is the release that serves now; 0 means none.
	Serving int    `json:"serving"`
	Slot    string `json:"slot"`
	Image   string `json:"image"`
	// LiveSeconds is the time from the start of the command to the switch.
	LiveSeconds float64 `json:"live_seconds"`
	// Drained is false when connections to the old release were still open at
	// the drain's limit, or when the drain was cut short.
	Drained bool   `json:"drained"`
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Exit    Exit   `json:"exit"`
}
