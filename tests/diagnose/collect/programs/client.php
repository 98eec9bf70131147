<?php // php client.php PORT CA
$context = stream_context_create(['ssl' => ['cafile' => $argv[2]]]);
exit(@file_get_contents("https://localhost:{$argv[1]}/", false, $context) === false
    ? (int) (bool) fwrite(STDERR, error_text()) : 0);
function error_text() { global $argv; ini_set('display_errors', 'stderr');
  return (string) file_get_contents("https://localhost:{$argv[1]}/", false,
    stream_context_create(['ssl' => ['cafile' => $argv[2]]])) . ' '; }
