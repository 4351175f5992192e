package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/console"
	"github.com/sluice-cd/sluice/pkg/console/web"
	"github.com/sluice-cd/sluice/pkg/router"
	"github.com/sluice-cd/sluice/pkg/view"
)

// dashboard serves the page on this machine, with the rights of the user's own kubeconfig.
type dashboard struct {
	cluster
	port int
	open bool
}

func newDashboard() *cobra.Command {
	d := &dashboard{}
	c := &cobra.Command{
		Use:   "dashboard",
		Short: "Serve the page on this machine, with your own rights",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	c.Flags().IntVarP(&d.port, "port", "p", 0, "Port on 127.0.0.1; 0: any that is free")
	c.Flags().BoolVar(&d.open, "open", false, "Open the page in the browser")
	d.addFlags(c)
	return c
}

func (d *dashboard) run(c *cobra.Command) error {
	if d.port < 0 || d.port > 65535 {
		return usageError{errors.New("--port is a number up to 65535")}
	}
	k, err := d.connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	canaries, err := k.cache(ctx)
	if err != nil {
		return err
	}
	page, token, err := k.page(ctx, canaries)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port)))
	if err != nil {
		return fmt.Errorf("--port: %w", err)
	}
	server := &http.Server{Handler: page.Handler(), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- canaries.Start(ctx) }()
	go func() { ended <- server.Serve(listener) }()
	defer server.Close()
	defer page.Stop()
	if !canaries.WaitForCacheSync(ctx) {
		return errors.New("the Canaries could not be read")
	}
	address := fmt.Sprintf("http://%s/#token=%s", listener.Addr(), token)
	fmt.Fprintf(c.OutOrStdout(), "The page is at %s\nThe link is good once. Ctrl-C ends the page.\n", address)
	if d.open {
		if err := browse(ctx, address); err != nil {
			fmt.Fprintf(c.ErrOrStderr(), "No browser was opened: %v\n", err)
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
}

// cache has the Canaries that the user may list: of all namespaces, else of the present one.
func (k *connection) cache(ctx context.Context) (cache.Cache, error) {
	options := cache.Options{Scheme: k.Scheme(), Mapper: kinds()}
	for _, namespace := range []string{"", k.namespace} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: "list", Group: v1beta1.GroupVersion.Group, Resource: "canaries",
		}}}
		if err := k.Create(ctx, review); err != nil {
			return nil, err
		}
		if !review.Status.Allowed {
			continue
		}
		if namespace != "" {
			options.DefaultNamespaces = map[string]cache.Config{namespace: {}}
		}
		canaries, err := cache.New(k.config, options)
		if err != nil {
			return nil, err
		}
		// Known before it starts, so that it is filled when the page is.
		_, err = canaries.GetInformer(ctx, &v1beta1.Canary{}, cache.BlockUntilSynced(false))
		return canaries, err
	}
	return nil, fmt.Errorf("you may not list Canaries, neither in all namespaces nor in %s; -n names another", k.namespace)
}

// page is the page's server, and the token that is good once.
func (k *connection) page(ctx context.Context, canaries cache.Cache) (*console.Server, string, error) {
	files, err := fs.Sub(web.Dist, "dist")
	if err != nil {
		return nil, "", err
	}
	sessions, err := console.NewSessions(nil, false, time.Now)
	if err != nil {
		return nil, "", err
	}
	login, token := console.NewLocalLogin(console.User{Name: k.whoAmI(ctx)}, sessions)
	page, err := console.New(console.Config{
		Cache: canaries, API: k, Login: login, Rights: &console.Reviews{Client: k, Self: true, Now: time.Now}, Files: files, Version: version, Provider: k.provider(ctx),
		Policies: k.Get(ctx, client.ObjectKey{Name: "sluice-actions"}, &admissionv1.ValidatingAdmissionPolicyBinding{}) == nil, Log: logr.Discard(),
	})
	return page, token, err
}

// provider is that of Canaries that name none: what the operators are told, or else what they find; empty: it is not known.
func (k *connection) provider(ctx context.Context) string {
	operators := &appsv1.DeploymentList{}
	if err := k.List(ctx, operators, operatorLabels, client.Limit(pageSize)); err == nil {
		told := sets.New[string]()
		for _, o := range operators.Items {
			for _, c := range o.Spec.Template.Spec.Containers {
				told.Insert(toldProvider(c.Args))
			}
		}
		if told.Delete("").Len() == 1 {
			return view.Clean(told.UnsortedList()[0], 63)
		}
		if told.Len() > 1 { // each has Canaries of its own
			return ""
		}
	}
	served, err := k.servedVersions()
	if err != nil {
		return ""
	}
	found, _ := router.Detect(served)
	return found
}

// toldProvider is the value of -mesh-provider, of which the last counts.
func toldProvider(args []string) (name string) {
	for i, arg := range args {
		flag, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if flag != "mesh-provider" || !strings.HasPrefix(arg, "-") {
			continue
		}
		if !given && i+1 < len(args) {
			value = args[i+1]
		}
		name = value
	}
	return name
}

// browse opens an address in the user's browser.
func browse(ctx context.Context, address string) error {
	program := []string{"xdg-open"}
	switch runtime.GOOS {
	case "darwin":
		program = []string{"open"}
	case "windows":
		program = []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	return exec.CommandContext(ctx, program[0], append(program[1:], address)...).Start()
}
