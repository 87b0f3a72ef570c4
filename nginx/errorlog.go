package nginx

import (
	"os"
	"strings"
)

// logLines is how much of the error log goes into an error.
const logLines = 10

// logMark is a place in nginx's error log.
type logMark struct {
	path string
	size int64
}

// openLogMark remembers where the log ends now. Without a readable log, there
// are no new lines later.
func (p *Proxy) openLogMark() logMark {
	m := logMark{path: p.paths.errorLog()}
	if p.config.Mode == System {
		system, err := p.loadSystem()
		if err != nil {
			return logMark{}
		}
		m.path = system.ErrorLog
	}
	if info, err := os.Stat(m.path); err == nil {
		m.size = info.Size()
	}
	return m
}

// newLines returns the last lines since the mark, warnings and worse, each once.
func (m logMark) newLines() []string {
	data, err := os.ReadFile(m.path)
	if err != nil || int64(len(data)) <= m.size {
		return nil
	}
	var lines []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(data[m.size:])) {
		line = strings.TrimSpace(line)
		at := strings.Index(line, "[")
		if at < 0 || strings.HasPrefix(line[at:], "[notice]") || strings.HasPrefix(line[at:], "[info]") || strings.HasPrefix(line[at:], "[debug]") {
			continue
		}
		// The same words come several times, with other times before them.
		if words := line[at:]; !seen[words] {
			seen[words] = true
			lines = append(lines, words)
		}
	}
	return lines[max(0, len(lines)-logLines):]
}
