# Sourced by scripts/release: the image, as an OCI image layout. `manifest.json` beside it is for
# `docker load`, which reads nothing else.

# Moves a file to its place in the layout; prints its digest and its size as members of an object.
blob() { # FILE
    sum=$(sha256sum <"$1" | cut -d ' ' -f 1)
    size=$(wc -c <"$1" | tr -d ' ')
    mv "$1" "$layout/blobs/sha256/$sum"
    printf '"digest": "sha256:%s", "size": %s' "$sum" "$size"
}

# The path of a blob in the layout.
path_of() { # MEMBERS
    echo "$1" | sed 's|.*sha256:\([0-9a-f]*\)".*|blobs/sha256/\1|'
}

# The labels that Dockerfile.scratch sets.
labels() {
    label=org.opencontainers.image
    printf '"%s.title": "exitdir", "%s.description": "%s", ' $label $label "$description"
    printf '"%s.version": "%s", "%s.licenses": "%s"' $label "$version" $label "$license"
    [ -z "${SOURCE-}" ] ||
        printf ', "%s.source": "%s", "%s.documentation": "%s"' $label "$SOURCE" $label "$SOURCE"
}

# The file system of the image. As in kubexit's own image, kubexit is in /bin.
image_root() { # ARCHITECTURE ROOT
    mkdir -p "$2/bin"
    cp "$binaries/$1/exitdir" "$2/exitdir"
    for program in $programs; do
        [ "$program" = kubexit ] || ln -s exitdir "$2/$program"
    done
    ln -s ../exitdir "$2/bin/kubexit"
}

# One architecture: adds to the lists `manifests` and `loadable`.
image_of() { # ARCHITECTURE
    arch=$(debian_name "$1")
    image_root "$1" "$layout/root"
    pack "$layout/root" >"$layout/layer"
    rm -r "$layout/root"
    diff_id=sha256:$(sha256sum <"$layout/layer" | cut -d ' ' -f 1)
    gzip -9n "$layout/layer"
    layer=$(blob "$layout/layer.gz")
    cat >"$layout/config" <<JSON
{"created": "$created", "architecture": "$arch", "os": "linux",
 "config": {"User": "65532:65532", "Entrypoint": ["/exitdir"], "Labels": {$(labels)}},
 "rootfs": {"type": "layers", "diff_ids": ["$diff_id"]},
 "history": [{"created": "$created", "created_by": "scripts/release"}]}
JSON
    config=$(blob "$layout/config")
    cat >"$layout/manifest" <<JSON
{"schemaVersion": 2, "mediaType": "$oci.manifest.v1+json",
 "config": {"mediaType": "$oci.config.v1+json", $config},
 "layers": [{"mediaType": "$oci.layer.v1.tar+gzip", $layer}]}
JSON
    manifests="$manifests, {\"mediaType\": \"$oci.manifest.v1+json\", $(blob "$layout/manifest"),
 \"platform\": {\"architecture\": \"$arch\", \"os\": \"linux\"}}"
    tags="\"exitdir:$version-$arch\""
    # docker load knows no architectures. The first one gets the plain tag.
    [ -n "$loadable" ] || tags="\"exitdir:$version\", $tags"
    loadable="$loadable, {\"Config\": \"$(path_of "$config")\", \"RepoTags\": [$tags],
 \"Layers\": [\"$(path_of "$layer")\"]}"
}

make_image() { # ARCHIVE
    layout=$work/layout
    oci=application/vnd.oci.image
    manifests=
    loadable=
    mkdir -p "$layout/blobs/sha256"
    for architecture in $architectures; do
        image_of "$architecture"
    done
    cat >"$layout/all" <<JSON
{"schemaVersion": 2, "mediaType": "$oci.index.v1+json", "manifests": [${manifests#, }]}
JSON
    all=$(blob "$layout/all")
    cat >"$layout/index.json" <<JSON
{"schemaVersion": 2, "mediaType": "$oci.index.v1+json",
 "manifests": [{"mediaType": "$oci.index.v1+json", $all, "annotations": {
  "org.opencontainers.image.ref.name": "$version",
  "io.containerd.image.name": "docker.io/library/exitdir:$version"}}]}
JSON
    echo "[${loadable#, }]" >"$layout/manifest.json"
    printf '{"imageLayoutVersion": "1.0.0"}' >"$layout/oci-layout"
    pack "$layout" >"$1"
}
