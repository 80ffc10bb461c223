package gateway

import (
	"context"
	"errors"
	"log"
	"slices"
	"sync"
	"time"
)

// ErrNoSuchJob is returned for a name that was never added or was cancelled.
var ErrNoSuchJob = errors.New("scheduler: no such job")

// Job is a piece of work that is done again and again.
type Job struct {
	Name  string
	Every time.Duration
	Work  func(context.Context) error
	due   time.Time
}

// Scheduler runs jobs one after the other, each at its time.
type Scheduler struct {
	mu    sync.Mutex
	jobs  []*Job // the next one first
	woken chan struct{}
}

// NewScheduler returns a scheduler without jobs.
func NewScheduler() *Scheduler {
	return &Scheduler{woken: make(chan struct{}, 1)}
}

// Add plans a job for the first time; one of the same name is replaced.
func (s *Scheduler) Add(job *Job, first time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = slices.DeleteFunc(s.jobs, func(other *Job) bool { return other.Name == job.Name })
	job.due = first
	s.jobs = append(s.jobs, job)
	slices.SortFunc(s.jobs, func(a, b *Job) int { return a.due.Compare(b.due) })
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Cancel takes a job off the plan.
func (s *Scheduler) Cancel(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := slices.IndexFunc(s.jobs, func(job *Job) bool { return job.Name == name })
	if place < 0 {
		return ErrNoSuchJob
	}
	s.jobs = slices.Delete(s.jobs, place, place+1)
	return nil
}

// Run works until the context ends.
func (s *Scheduler) Run(ctx context.Context) error {
	for {
		timer := time.NewTimer(s.untilNext(time.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-s.woken:
			timer.Stop()
		case <-timer.C:
			s.runDue(ctx, time.Now())
		}
	}
}

func (s *Scheduler) untilNext(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.jobs) == 0 {
		return time.Hour
	}
	return max(0, s.jobs[0].due.Sub(now))
}

// runDue does what is due; a panic in one job must not end the others.
func (s *Scheduler) runDue(ctx context.Context, now time.Time) {
	for {
		job := s.takeDue(now)
		if job == nil {
			return
		}
		func() {
			defer func() {
				if cause := recover(); cause != nil {
					log.Printf("scheduler: job %s panicked: %v", job.Name, cause)
				}
			}()
			if err := job.Work(ctx); err != nil {
				log.Printf("scheduler: job %s failed: %v", job.Name, err)
			}
		}()
	}
}

func (s *Scheduler) takeDue(now time.Time) *Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.jobs) == 0 || s.jobs[0].due.After(now) {
		return nil
	}
	job := s.jobs[0]
	job.due = now.Add(job.Every)
	slices.SortFunc(s.jobs, func(a, b *Job) int { return a.due.Compare(b.due) })
	return job
}

// NextMidnight returns the start of the next day in a place, which may be 23 or 25 hours away.
func NextMidnight(now time.Time, place *time.Location) time.Time {
	year, month, day := now.In(place).Date()
	return time.Date(year, month, day+1, 0, 0, 0, 0, place)
}
