package cluster

import (
	"fmt"
	"io"
	"time"
)

// slow is how long a step goes on before it is said that it has begun.
const slow = 5 * time.Second

// Speaker says what is done, one line for each step with the seconds it took.
type Speaker struct {
	Out io.Writer
	// Now is the clock; a test has its own.
	Now func() time.Time
}

// Step does something and says so.
func (s *Speaker) Step(name string, do func() error) error {
	began := s.Now()
	defer time.AfterFunc(slow, func() { s.Say("         %s …", name) }).Stop()
	err := do()
	took := s.Now().Sub(began).Seconds()
	if err != nil {
		fmt.Fprintf(s.Out, "%6.1fs  %s: FAILED\n", took, name)
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(s.Out, "%6.1fs  %s\n", took, name)
	return nil
}

// Say prints a line of its own.
func (s *Speaker) Say(format string, args ...any) { fmt.Fprintf(s.Out, format+"\n", args...) }
