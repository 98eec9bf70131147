%% escript client.escript PORT CA
main([Port, Ca]) ->
    ssl:start(),
    Options = [{verify, verify_peer}, {cacertfile, Ca}, {server_name_indication, "localhost"}],
    case ssl:connect("localhost", list_to_integer(Port), Options, 9000) of
        {ok, Socket} ->
            ssl:send(Socket, "GET / HTTP/1.0\r\n\r\n"),
            timer:sleep(300);
        Error -> io:format(standard_error, "~p~n", [Error]), halt(1)
    end.
