package walk

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/sluice-cd/sluice/e2e/slackreceiver"
)

// Chat reads the chat service's receiver.
type Chat struct {
	URL string // of the receiver, without a path
}

// Post is a chat message as a reader in the channel sees it.
type Post struct {
	Channel, Username, Author, Color, Text string
	Fields                                 map[string]string
}

// Posts returns what came about one Canary, `name.namespace`, since a moment, oldest first.
func (c Chat) Posts(ctx context.Context, canary string, since time.Time) ([]Post, error) {
	resp, err := c.get(ctx, "/messages")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var messages []slackreceiver.Message
	if err := json.NewDecoder(resp.Body).Decode(&messages); err != nil {
		return nil, fmt.Errorf("reading chat messages: %w", err)
	}
	var posts []Post
	for _, m := range messages {
		if p, err := postOf(m); err != nil {
			return nil, err
		} else if p.Author == canary && !m.Time.Before(since) {
			posts = append(posts, p)
		}
	}
	return posts, nil
}

// Listen hands over a line for each message that comes, until ctx ends.
func (c Chat) Listen(ctx context.Context, line func(string)) error {
	resp, err := c.get(ctx, "/messages/stream")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		line(lines.Text())
	}
	if ctx.Err() != nil {
		return nil
	}
	return lines.Err()
}

func (c Chat) get(ctx context.Context, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking the chat receiver: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("asking the chat receiver for %q: %s", path, resp.Status)
	}
	return resp, nil
}

// postOf takes a message apart. The payload is read by the names of the incoming webhook's fields.
func postOf(m slackreceiver.Message) (Post, error) {
	raw, err := json.Marshal(m.Payload)
	if err != nil {
		return Post{}, err
	}
	var payload struct {
		Channel, Username string
		Attachments       []struct {
			Color, Text string
			Author      string `json:"author_name"`
			Fields      []struct{ Title, Value string }
		}
	}
	if err := json.Unmarshal(raw, &payload); err != nil {
		return Post{}, fmt.Errorf("reading the chat message %s: %w", raw, err)
	}
	post := Post{Channel: payload.Channel, Username: payload.Username, Fields: map[string]string{}}
	for _, a := range payload.Attachments {
		post.Author, post.Color, post.Text = a.Author, a.Color, a.Text
		for _, f := range a.Fields {
			post.Fields[f.Title] = f.Value
		}
	}
	return post, nil
}
