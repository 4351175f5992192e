package metric

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sluice-cd/sluice/pkg/outbound"
)

// File cloudwatch.go is all of AWS's SDK here. Templates hold no keys for it, as other operators of this API do not
// read any: whom it asks as is the cluster's affair.

// awsCloud asks with the credentials of the place that the operator runs at: its environment, its service
// account's role, or its machine's.
type awsCloud struct{ config }

func newCloudwatch(c config) (Provider, error) {
	// Check says so as well. Without one the SDK would ask the machine, whose region may be another.
	if c.spec.Region == "" {
		return nil, lacks("spec.provider.region", c.spec.Type)
	}
	if !awsRegion.MatchString(c.spec.Region) {
		return nil, &FieldError{Field: "spec.provider.region", Problem: "is not the name of a region"}
	}
	// It may be left out; it is for private endpoints.
	if c.address != "" {
		if _, err := outbound.ParseURL(c.address); err != nil {
			return nil, fmt.Errorf("the address %w", err)
		}
	}
	if err := c.identity(awsHosts); err != nil {
		return nil, err
	}
	return c.ambientTrust()
}

// ambientTrust believes whom the environment does, as all programs do that talk to AWS, unless the template
// says whom.
func (c config) ambientTrust() (Provider, error) {
	// The SDK applies it to the client that it makes itself, and here it is given ours.
	path, trust := os.Getenv("AWS_CA_BUNDLE"), c.trust()
	if path == "" || !trust.Default() {
		return &awsCloud{config: c}, nil
	}
	ca, err := os.ReadFile(path)
	if err != nil {
		return nil, errors.New("the file that AWS_CA_BUNDLE names cannot be read")
	}
	trust.CA = ca
	if c.client, err = c.Pool.http(trust); err != nil {
		return nil, errors.New("the file that AWS_CA_BUNDLE names has no certificate that can be read")
	}
	return &awsCloud{config: c}, nil
}

// Query takes a list of MetricDataQuery in JSON, over ten intervals, and of its first result the newest complete
// value. Queries with `ReturnData: false` are no results.
//
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
func (a *awsCloud) Query(ctx context.Context, query string) (float64, error) {
	var asked []types.MetricDataQuery
	if err := json.Unmarshal([]byte(query), &asked); err != nil {
		return 0, fmt.Errorf("the query is not a list of MetricDataQuery in JSON: %w", unreadable(err))
	}
	api, err := a.api(ctx)
	if err != nil {
		return 0, err
	}
	from, to := a.window()
	answer, err := api.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
		StartTime:         &from,
		EndTime:           &to,
		MetricDataQueries: asked,
		MaxDatapoints:     aws.Int32(20), // more than ten intervals have; the newest come first
		ScanBy:            types.ScanByTimestampDescending,
	})
	if err != nil {
		return 0, awsCause(err)
	}
	if len(answer.MetricDataResults) == 0 {
		return 0, ErrNoData
	}
	first := answer.MetricDataResults[0]
	points := make([]point, 0, len(first.Values))
	for i := range slices.Backward(first.Values) {
		p := point{value: &first.Values[i]}
		if i < len(first.Timestamps) {
			p.from = first.Timestamps[i]
		}
		points = append(points, p)
	}
	return newest(points, period(asked), to)
}

// period is the longest of what is asked for: an expression has that of what it is computed from.
func period(asked []types.MetricDataQuery) time.Duration {
	longest := int32(0)
	for _, q := range asked {
		longest = max(longest, aws.ToInt32(q.Period))
		if q.MetricStat != nil {
			longest = max(longest, aws.ToInt32(q.MetricStat.Period))
		}
	}
	return time.Duration(longest) * time.Second
}

// api is made once for a region: it remembers credentials that were exchanged for others. The address and the
// authorities are part of the key, since a client has one of each.
func (a *awsCloud) api(ctx context.Context) (*cloudwatch.Client, error) {
	key := fmt.Sprintf("cloudwatch %s %s %s", a.spec.Region, a.address, a.trust().Key())
	return kept(a.Pool, key, func() (*cloudwatch.Client, error) {
		cfg, err := awsconfig.LoadDefaultConfig(ctx,
			awsconfig.WithRegion(a.spec.Region),
			awsconfig.WithLogger(logging.Nop{}),                                   // what matters is in the error
			awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} })) // the next round asks again
		if err != nil {
			return nil, errors.New("the environment's configuration of AWS cannot be read")
		}
		return cloudwatch.NewFromConfig(cfg, func(o *cloudwatch.Options) {
			own := *a.client
			own.Transport = copiedBody{next: a.client.Transport}
			o.HTTPClient = &own // not of cfg, which would refuse it where AWS_CA_BUNDLE is set
			if a.address != "" {
				o.BaseEndpoint = aws.String(a.address)
			}
		}), nil
	})
}

// copiedBody sends requests from a copy of their body. The SDK closes its own as soon as an answer begins, and a
// transport that has not noticed its end by then gives up the connection, answer and all.
type copiedBody struct{ next http.RoundTripper }

func (w copiedBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return w.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	sent := r.Clone(r.Context())
	sent.Body = io.NopCloser(bytes.NewReader(body))
	return w.next.RoundTrip(sent)
}

// awsCause leaves out the request's number, which is another one each time.
func awsCause(err error) error {
	var large *outbound.TooLargeError
	switch {
	case errors.As(err, &large):
		return large
	// First, since the SDK wraps them in an operation's error; the guard looks for them.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return outbound.Cause(err)
	}
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() == 0 {
		return outbound.Cause(err)
	}
	if answer.HTTPStatusCode() == http.StatusOK {
		return errors.New("the answer cannot be read: it is not the CBOR that was expected")
	}
	var told smithy.APIError
	// Its code says what the status does not: a throttled request and a wrong one are both 400.
	if errors.As(err, &told) {
		return &StatusError{Code: answer.HTTPStatusCode(), Said: saidBy(told)}
	}
	return &StatusError{Code: answer.HTTPStatusCode()}
}

func saidBy(e smithy.APIError) string {
	return said(e.ErrorCode() + " " + e.ErrorMessage())
}
