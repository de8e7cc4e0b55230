<?php
// A worker with PHP alone: TORIL_URL=... TORIL_KEY=... php worker.php
$url = getenv('TORIL_URL') ?: 'http://127.0.0.1:3000';
$take = [
    'types' => [getenv('TORIL_TYPE') ?: 'text.count'], 'max' => 20, 'waitMs' => 20000, 'worker' => 'php-' . getmypid(),
    'leaseMs' => (int) (getenv('LEASE_MS') ?: 30000),
];

function handle(array $data): array
{
    return ['words' => count(preg_split('/\s+/', $data['text'], -1, PREG_SPLIT_NO_EMPTY))];
}

function run(array $job): array
{
    $report = ['id' => $job['id'], 'lease' => $job['lease']];
    try {
        return $report + ['outcome' => 'completed', 'result' => handle($job['data'])];
    } catch (Throwable $error) {
        return $report + ['outcome' => 'failed', 'error' => ['name' => $error::class, 'message' => $error->getMessage()]];
    }
}

function call(string $url, array $body): ?array
{
    $headers = ['Content-Type: application/json'];
    if (getenv('TORIL_KEY')) $headers[] = 'Authorization: Bearer ' . getenv('TORIL_KEY');
    $options = ['method' => 'POST', 'header' => $headers, 'content' => json_encode($body), 'timeout' => 60];
    $text = @file_get_contents($url, false, stream_context_create(['http' => $options]));
    return $text === false ? null : json_decode($text, true)['jobs'];
}

$reports = [];
while (true) {
    // A busy worker needs one request per batch: it finishes one batch and takes the next.
    $jobs = $reports
        ? call("$url/v1/worker/finish", ['results' => $reports, 'take' => $take])
        : call("$url/v1/worker/take", $take);
    // Unreachable or at capacity. Finishing is safe to repeat.
    if ($jobs === null) sleep(1);
    else $reports = array_map('run', $jobs);
}
