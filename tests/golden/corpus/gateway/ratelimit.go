// Package gateway stands in front of the server: it slows down the greedy and runs jobs on time.
package gateway

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Bucket holds the tokens of one client.
type Bucket struct {
	tokens float64
	seen   time.Time
}

// Limiter gives every client so many requests a second, and a burst on top.
type Limiter struct {
	mu      sync.Mutex
	rate    float64
	burst   float64
	clients map[string]*Bucket
	now     func() time.Time
}

// NewLimiter returns a limiter; rate is in requests per second.
func NewLimiter(rate, burst float64) *Limiter {
	return &Limiter{rate: rate, burst: burst, clients: map[string]*Bucket{}, now: time.Now}
}

// Allow takes one token of a client and reports whether there was one, and else how long to wait.
func (l *Limiter) Allow(client string) (bool, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, known := l.clients[client]
	if !known {
		bucket = &Bucket{tokens: l.burst, seen: l.now()}
		l.clients[client] = bucket
	}
	l.refill(bucket)
	if bucket.tokens >= 1 {
		bucket.tokens--
		return true, 0
	}
	return false, time.Duration((1 - bucket.tokens) / l.rate * float64(time.Second))
}

func (l *Limiter) refill(bucket *Bucket) {
	now := l.now()
	elapsed := now.Sub(bucket.seen).Seconds()
	bucket.tokens = math.Min(l.burst, bucket.tokens+elapsed*l.rate)
	bucket.seen = now
}

// Sweep forgets clients that have been silent for a while, so that memory stays bounded.
func (l *Limiter) Sweep(idle time.Duration) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	removed := 0
	for name, bucket := range l.clients {
		if l.now().Sub(bucket.seen) > idle {
			delete(l.clients, name)
			removed++
		}
	}
	return removed
}

// Middleware answers 429 with a Retry-After header to clients that ask too often.
func (l *Limiter) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowed, wait := l.Allow(clientAddress(r))
		if !allowed {
			w.Header().Set("Retry-After", fmt.Sprintf("%.0f", math.Ceil(wait.Seconds())))
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// clientAddress tells callers apart: the first hop of X-Forwarded-For, or the address of the connection.
func clientAddress(r *http.Request) string {
	if forwarded := r.Header.Get("X-Forwarded-For"); forwarded != "" {
		first, _, _ := strings.Cut(forwarded, ",")
		return strings.TrimSpace(first)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
