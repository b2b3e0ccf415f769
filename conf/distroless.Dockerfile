# No shell, no package manager: of an image that Dockerfile.example made there remains Python, the project,
# initd, the libraries that they are linked to, and the few files that libc and TLS look for.
#
#   docker build -t agent:distroless -f distroless.Dockerfile --build-arg IMAGE=agent .
#
# LABEL and ENV of that image do not come with it; put your package's name into CMD here, too.

ARG IMAGE=agent
FROM ${IMAGE} AS whole
RUN set -eu; mkdir -p /bones/tmp; chmod 1777 /bones/tmp; cd /; \
    stdlib=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))'); \
    { readlink -f "$(command -v python3)"; find "$stdlib" /app -name '*.so*' -type f; } | xargs -n 1 ldd 2>/dev/null | \
        { grep -o '/[^ :]*'; find / -xdev -name libgcc_s.so.1; } | sort -u | tar -chf - -T - | tar -xf - -C /bones; \
    tar -cf - --exclude=site-packages --exclude=test --exclude=ensurepip --exclude=idlelib --exclude=tkinter "$stdlib" | \
        tar -xf - -C /bones; \
    tar -cf - /app /usr/local/bin/initd "$(dirname "$(command -v python3)")"/python3* \
        $(ls -d /etc/group /etc/passwd /etc/nsswitch.conf /etc/protocols /etc/services /etc/localtime /etc/ld.so.cache \
            /etc/ssl /usr/lib/ssl /usr/share/ca-certificates /usr/share/zoneinfo /usr/lib/locale 2>/dev/null) | \
        tar -xf - -C /bones

FROM scratch
COPY --from=whole /bones /
ENV PATH=/app/.venv/bin:/usr/local/bin:/usr/bin
EXPOSE 8000
ENTRYPOINT ["/usr/local/bin/initd"]
CMD ["python", "-m", "your_agent_name.server"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/usr/local/bin/initd", "healthcheck"]
