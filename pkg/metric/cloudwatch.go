package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// awsCloud asks with the credentials of the place that the operator runs at: its environment, its service
// account's role, or its machine's.
type awsCloud struct{ config }

func newCloudwatch(c config) (Provider, error) {
	if c.spec.Region == "" {
		return nil, lacks("spec.provider.region", c.spec.Type)
	}
	if c.address != "" {
		if _, err := parseAddress(c.address); err != nil {
			return nil, fmt.Errorf("the address %w", err)
		}
	}
	return &awsCloud{config: c}, nil
}

// Query takes a list of MetricDataQuery in JSON, over ten intervals, and of its first result the newest
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
	if len(answer.MetricDataResults) == 0 || len(answer.MetricDataResults[0].Values) == 0 {
		return 0, ErrNoData
	}
	return answer.MetricDataResults[0].Values[0], nil
}

// api is made once for a region: it remembers credentials that were exchanged for others.
func (a *awsCloud) api(ctx context.Context) (*cloudwatch.Client, error) {
	key := fmt.Sprintf("cloudwatch %s %s %s", a.spec.Region, a.address, a.tls().key())
	return kept(a.Pool, key, func() (*cloudwatch.Client, error) {
		cfg, err := awsconfig.LoadDefaultConfig(ctx,
			awsconfig.WithRegion(a.spec.Region),
			awsconfig.WithHTTPClient(a.client),
			awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} })) // the next round asks again
		if err != nil {
			return nil, errors.New("the environment's configuration of AWS cannot be read")
		}
		return cloudwatch.NewFromConfig(cfg, func(o *cloudwatch.Options) {
			if a.address != "" {
				o.BaseEndpoint = aws.String(a.address)
			}
		}), nil
	})
}

// awsCause leaves out the request's number, which is another one each time.
func awsCause(err error) error {
	var answer *smithyhttp.ResponseError
	var said smithy.APIError
	hasCode, hasText := errors.As(err, &answer), errors.As(err, &said)
	switch {
	case hasCode && hasText && answer.HTTPStatusCode() >= http.StatusBadRequest:
		return &StatusError{Code: answer.HTTPStatusCode(), Said: saidBy(said)}
	case hasCode && answer.HTTPStatusCode() != http.StatusOK:
		return &StatusError{Code: answer.HTTPStatusCode()}
	}
	return Cause(err)
}

func saidBy(e smithy.APIError) string {
	return said([]byte(e.ErrorCode() + " " + e.ErrorMessage()))
}
