// SPDX-License-Identifier: MIT
// Reads a Service of Knative from stdin as its API server does, and prints what is wrong with it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"knative.dev/pkg/apis"
	serving "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/yaml"
)

func complaint() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	service := serving.Service{}
	if err := yaml.UnmarshalStrict(text, &service); err != nil {
		return err
	}
	service.SetDefaults(context.Background())
	// Not the warnings: they are about what Cloud Run does not let one choose.
	if wrong := service.Validate(context.Background()).Filter(apis.ErrorLevel); wrong != nil {
		return wrong
	}
	return nil
}

func main() {
	if err := complaint(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
