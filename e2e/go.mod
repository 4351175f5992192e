module github.com/sluice-cd/sluice/e2e

go 1.26.0

replace github.com/sluice-cd/sluice => ../
