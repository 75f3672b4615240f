# The image of every process: one static binary, certificates, and nothing else.
#
#   docker build -t meetbridge .
#
# It needs no BuildKit. The binary is the same to the byte for the same commit and
# Go version, wherever it is built.

# Where the certificates and the tools of the stack's setup come from.
FROM debian:bookworm-slim AS debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates haproxy openssl >/dev/null && rm -rf /var/lib/apt/lists/*

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The version is the commit's, which Go reads from .git and writes into the binary.
# Sources without a usable .git (an archive, a worktree) give "(devel)".
RUN vcs=false; if git rev-parse -q --verify HEAD >/dev/null 2>&1; then vcs=true; fi \
 && GOFLAGS=-buildvcs=$vcs make release OUT=/out/meetbridge

# What docker-compose.yml uses to make keys, certificates and passwords at its
# first start, in front of ingest, and for its simulated Graph. Not for production.
FROM debian AS setup
COPY --from=build /out/meetbridge /usr/local/bin/meetbridge
COPY deploy/compose/setup.sh deploy/compose/topics.sh deploy/compose/graphsim.sh /usr/local/bin/

FROM scratch
COPY --from=debian /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/meetbridge /meetbridge
# Probes come from outside the container. Publish 8080, never 9090.
ENV MEETBRIDGE_ADMIN_LISTEN=:9090
EXPOSE 8080 9090
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["/meetbridge", "ready"]
ENTRYPOINT ["/meetbridge"]
