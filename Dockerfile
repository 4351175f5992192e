# The images of Sluice. The binaries are built beforehand, statically, by `make build`; all that is left
# to do here is to put each into a base that fits it:
#
#   make build
#   buildah bud -t docker.io/sluicecd/sluice .
#   buildah bud -t docker.io/sluicecd/loadtester --target loadtester .
#   buildah bud -t docker.io/sluicecd/kubectl-sluice --target kubectl-sluice .
#
# Bases are named by digest, so that the same sources give the same image. A newer one is a commit: the tag says what to look
# up. BASE replaces the base, for instance by `scratch` or by an image of your own registry. The operator
# needs nothing but certificate authorities, and those only to reach chat services over HTTPS; the load
# tester needs bash, curl and hey, and installs them if its base has none. The plugin's has a shell, since pipelines run scripts in it.
ARG BASE=

FROM ${BASE:-docker.io/library/debian:bookworm-slim@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716} AS loadtester
RUN for tool in bash curl hey; do command -v "$tool" >/dev/null || set -- "$@" "$tool"; done; \
    if [ $# -gt 0 ]; then \
        apt-get update && apt-get install -y --no-install-recommends ca-certificates procps "$@" && \
        rm -rf /var/lib/apt/lists/*; \
    fi
COPY bin/loadtester /usr/local/bin/loadtester
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/loadtester"]

FROM ${BASE:-docker.io/library/debian:bookworm-slim@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716} AS kubectl-sluice
COPY bin/kubectl-sluice /usr/local/bin/kubectl-sluice
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["/usr/local/bin/kubectl-sluice"]

# The last stage is what is built without a target.
FROM ${BASE:-gcr.io/distroless/static:nonroot@sha256:e3f945647ffb95b5839c07038d64f9811adf17308b9121d8a2b87b6a22a80a39} AS sluice
COPY bin/sluice /usr/local/bin/sluice
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/sluice"]
