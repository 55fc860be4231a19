using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "fetch-app.js", esModule = embed "fetch-app.js"),
    (name = "answers.js", esModule = embed "answers.js"),
  ],
  compatibilityDate = "2026-10-01",
);
