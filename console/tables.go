package console

import (
	"bufio"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"zdd/deploy"
	"zdd/release"
)

// Statuses shows how apps are.
func (c *Console) Statuses(statuses []deploy.AppStatus) {
	if c.config.JSON {
		for _, status := range statuses {
			c.object(status)
		}
		return
	}
	if len(statuses) == 0 {
		fmt.Fprintln(c.config.Out, "no app yet; begin with: zdd deploy APP IMAGE")
		return
	}
	out := bufio.NewWriter(c.config.Out)
	defer out.Flush()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "APP\tRELEASE\tSTATE\tSLOT\tREPLICAS\tIMAGE\tDOMAINS")
	for _, status := range statuses {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", status.App, number(status.Release), status.State,
			orDash(status.Slot), replicas(status.Replicas), orDash(plain(status.Image)), strings.Join(status.Domains, " "))
	}
	_ = table.Flush()
	for _, status := range statuses {
		if status.Hint != "" {
			fmt.Fprintf(out, "%s: %s\n", status.App, plain(status.Hint))
		}
	}
}

// Status shows how one app is, with its replicas.
func (c *Console) Status(status deploy.AppStatus) {
	c.Statuses([]deploy.AppStatus{status})
	if c.config.JSON || len(status.Replicas) == 0 {
		return
	}
	table := tabwriter.NewWriter(c.config.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nREPLICA\tADDRESS\tSTATE")
	for _, replica := range status.Replicas {
		fmt.Fprintf(table, "%s\t%s\t%s\n", replica.Name, replica.Address, replica.State)
	}
	_ = table.Flush()
	if status.Previous != 0 {
		fmt.Fprintf(c.config.Out, "\nbefore: release %d (zdd rollback %s)\n", status.Previous, status.App)
	}
}

// History shows what happened to an app, newest last.
func (c *Console) History(entries []release.Entry) {
	if c.config.JSON {
		for _, entry := range entries {
			c.object(entry)
		}
		return
	}
	if len(entries) == 0 {
		fmt.Fprintln(c.config.Out, "nothing has happened yet")
		return
	}
	out := bufio.NewWriter(c.config.Out) // a cell at a time is slow
	defer out.Flush()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHEN\tWHAT\tRELEASE\tOUTCOME\tTOOK\tBY\tIMAGE\tCAUSE")
	for _, entry := range entries {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			entry.Time.Local().Format(time.DateTime), entry.Kind, number(entry.Release), entry.Outcome,
			seconds(entry.Seconds), orDash(plain(entry.By)), orDash(plain(entry.Image)), cause(entry))
	}
	_ = table.Flush()
}

// cause is why a change failed, in one line.
func cause(entry release.Entry) string {
	if entry.Error == "" {
		return "-"
	}
	first, _, _ := strings.Cut(entry.Error, "\n")
	return entry.Step + ": " + plain(first)
}

func number(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// replicas is how many of the replicas run.
func replicas(all []deploy.Replica) string {
	up := 0
	for _, replica := range all {
		if replica.State == "running" {
			up++
		}
	}
	return fmt.Sprintf("%d/%d", up, len(all))
}
