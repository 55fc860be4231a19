-- Arguments after the URL: a file to POST as JSON ("" = GET), and how many varieties of the path there are.
local paths = {}
local turn = 0

function init(arguments)
  if arguments[1] ~= "" then
    wrk.method = "POST"
    wrk.headers["content-type"] = "application/json"
    wrk.body = assert(io.open(arguments[1])):read("*a")
  end
  local variety = tonumber(arguments[2])
  for number = 0, variety - 1 do
    -- wrk has percent-encoded nothing: the path comes as it was given.
    paths[number] = wrk.format(nil, (wrk.path:gsub("{n}", tostring(number))))
  end
end

function request()
  turn = turn + 1
  return paths[turn % (#paths + 1)]
end
