# Runs a workload of R's batchtools through its cluster functions for LSF or for OpenLava: six calls of which one fails, then
# two that are killed. The first argument names the kind; the registries are made in the working directory. The last line
# is OK when all came out as it should.
suppressMessages(library(batchtools))
options(batchtools.progress = FALSE)

kind <- commandArgs(TRUE)[1]
functions <- list(
  lsf = makeClusterFunctionsLSF("lsf-simple", scheduler.latency = 0.2, fs.latency = 10),
  openlava = makeClusterFunctionsOpenLava("openlava-simple", scheduler.latency = 0.2, fs.latency = 10)
)
functions$openlava$submitJob <- function(reg, jc) {
  # As batchtools' own, which quotes the name of the script twice, so that no shell finds it.
  script <- cfBrewTemplate(reg, cfReadBrewTemplate(system.file("templates", "openlava-simple.tmpl", package = "batchtools")), jc)
  answer <- runOSCommand("bsub", stdin = script)
  if (answer$exit.code > 0L) return(cfHandleUnknownSubmitError("bsub", answer$exit.code, answer$output))
  makeSubmitJobResult(status = 0L, batch.id = regmatches(answer$output, regexpr("[0-9]+", answer$output)))
}
resources <- list(
  lsf = list(queue = "normal", walltime = 600, memory = "512MB"),     # the templates of the two differ in
  openlava = list(queue = "short", walltime = 10, memory = 512 * 1024) # the units of times and sizes
)

registry <- function() {
  reg <- makeRegistry(file.dir = tempfile(tmpdir = getwd()), conf.file = NA, seed = 1)
  reg$cluster.functions <- functions[[kind]]
  reg$default.resources <- resources[[kind]]
  reg
}

reg <- registry()
batchMap(function(x) if (x == 4) stop("four is bad") else x^2, x = 1:6, reg = reg)
submitJobs(reg = reg)
stopifnot(!waitForJobs(reg = reg, sleep = 0.3, timeout = 120))
stopifnot(findErrors(reg = reg)$job.id == 4)
stopifnot(unlist(reduceResultsList(findDone(reg = reg), reg = reg)) == c(1, 4, 9, 25, 36))
stopifnot(any(grepl("four is bad", getLog(4, reg = reg))))

sleepers <- registry()
batchMap(function(x) Sys.sleep(600), x = 1:2, reg = sleepers)
submitJobs(reg = sleepers)
for (i in 1:100) if (nrow(findRunning(reg = sleepers)) == 2) break else Sys.sleep(0.2)
stopifnot(nrow(findOnSystem(reg = sleepers)) == 2)
stopifnot(all(killJobs(reg = sleepers)$killed))
stopifnot(nrow(findOnSystem(reg = sleepers)) == 0)
cat("OK\n")
