# task: build and test the Go module
# needs: go

export GOCACHE=$PWD/.gocache GOFLAGS=-mod=mod
go mod init example.com/tally
printf 'package main\nimport "fmt"\nfunc main() { fmt.Println("hi") }\n' > main.go
printf 'package main\nimport "testing"\nfunc TestNothing(t *testing.T) {}\n' > main_test.go
go build ./...
go vet ./...
go test ./...
go run .
gofmt -l .
go clean -cache
