# A static binary on an empty image, running without root. Configuration and data are volumes.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /sealgate ./cmd/sealgate \
 && mkdir -p /data && chown 65532:65532 /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /sealgate /sealgate
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
VOLUME ["/data"]
EXPOSE 8443 1465 1993
ENTRYPOINT ["/sealgate"]
CMD ["serve", "--config", "/etc/sealgate/sealgate.yaml"]
