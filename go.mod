module github.com/sluice-cd/sluice

go 1.26.0
