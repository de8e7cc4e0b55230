// A worker with Go's standard library: TORIL_URL=... TORIL_KEY=... go run worker.go
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

type job struct {
	ID    string `json:"id"`
	Lease string `json:"lease"`
	Data  struct {
		Text string `json:"text"`
	} `json:"data"`
}

type object map[string]any

var client = http.Client{Timeout: time.Minute}

func handle(j job) (object, error) {
	return object{"words": len(strings.Fields(j.Data.Text))}, nil
}

func run(j job) object {
	result, err := handle(j)
	if err != nil {
		return object{"id": j.ID, "lease": j.Lease, "outcome": "failed", "error": object{"message": err.Error()}}
	}
	return object{"id": j.ID, "lease": j.Lease, "outcome": "completed", "result": result}
}

func call(path string, body object) ([]job, error) {
	text, _ := json.Marshal(body)
	url := os.Getenv("TORIL_URL")
	if url == "" {
		url = "http://127.0.0.1:3000"
	}
	request, err := http.NewRequest("POST", url+"/v1/worker/"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("TORIL_KEY"); key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		return nil, fmt.Errorf("%s", response.Status)
	}
	var reply struct{ Jobs []job }
	err = json.NewDecoder(response.Body).Decode(&reply)
	return reply.Jobs, err
}

func main() {
	leaseMs, err := strconv.Atoi(os.Getenv("LEASE_MS"))
	if err != nil {
		leaseMs = 30_000
	}
	jobType := os.Getenv("TORIL_TYPE")
	if jobType == "" {
		jobType = "text.count"
	}
	take := object{"types": []string{jobType}, "max": 20, "leaseMs": leaseMs, "waitMs": 20_000,
		"worker": fmt.Sprintf("go-%d", os.Getpid())}
	var reports []object
	for {
		path, body := "take", take
		if len(reports) > 0 { // Finishes one batch and takes the next with one request.
			path, body = "finish", object{"results": reports, "take": take}
		}
		jobs, err := call(path, body)
		if err != nil { // Unreachable or at capacity. Finishing is safe to repeat.
			fmt.Println(err)
			time.Sleep(time.Second)
			continue
		}
		reports = nil
		for _, j := range jobs {
			reports = append(reports, run(j))
		}
	}
}
